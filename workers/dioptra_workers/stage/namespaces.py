"""Keeps what jobs do to modules of other people from the jobs after them.

A step may put a function of its own in place of `torch.load`, `json.dumps` or even `open`.
What an imported module holds right after its import is noted, and functions, classes and
modules that were replaced, removed or added since are put back after each stage. Other
values are left alone: they may be caches, or say that something was initialized.

Python 3.11 gives every dict a number that changes with its contents, which makes it a
matter of microseconds to find the few modules, among thousands, that were changed at all.
Where there is no such number, all are looked at.
"""

import ctypes
import functools
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Any

_Names = dict[str, Any]
_VERSION_OFFSET = 24
_SIZE = 8
_NOTHING = object()


def _version_of(names: _Names) -> "ctypes.c_uint64":
    return ctypes.c_uint64.from_address(id(names) + _VERSION_OFFSET)


def _has_versions() -> bool:
    if sys.implementation.name != "cpython" or sys.version_info >= (3, 13):
        return False
    names: _Names = {"a": 1}
    version = _version_of(names)
    seen = {version.value}
    for value in ("x", "y"):
        names["a"] = value
        seen.add(version.value)
    return len(seen) == 3  # noqa: PLR2004 - at first, and after each of two changes


_VERSIONED = _has_versions()


class _Noted:
    """A module's namespace, and a copy of it to go back to."""

    __slots__ = ("copy", "names", "place", "seen", "version")

    def __init__(self, names: _Names) -> None:
        self.names = names
        self.copy = names.copy()
        self.version = _version_of(names)
        self.seen = self.version.value
        self.place = 0

    def restore(self) -> bool:
        """Put back what was replaced, removed or added; tell whether anything was."""
        names, copy = self.names, self.copy
        changed = False
        for name, old in copy.items():
            if names.get(name, _NOTHING) is not old and _is_code(old):
                names[name] = old
                changed = True
        if len(names) != len(copy) or names.keys() != copy.keys():
            for name in names.keys() - copy.keys():
                if name[:1] != "_" and _is_code(names[name], besides=ModuleType):
                    del names[name]
                    changed = True
        self.copy = names.copy()
        self.seen = self.version.value
        return changed


def _is_code(value: object, besides: type | None = None) -> bool:
    if besides is not None and isinstance(value, besides):
        return False
    return callable(value) or isinstance(value, ModuleType)


class _Versions:
    """Finds those of many namespaces whose number is not the one that was seen.

    With numpy, which worker processes have, this takes microseconds. One by one, it is half
    a millisecond when the process has just been idle: the time it takes to fetch so many
    objects from memory.
    """

    def __init__(self, noted: Sequence[_Noted], numpy: ModuleType | None) -> None:
        self._noted = noted
        self._memory: Any = None
        for place, one in enumerate(noted):
            one.place = place
        if numpy is not None and noted:
            places = [ctypes.addressof(one.version) for one in noted]
            first, last = min(places), max(places)
            # All that lies between them; only the numbers are ever looked at.
            span = (ctypes.c_uint64 * ((last - first) // _SIZE + 1)).from_address(first)
            self._memory = numpy.frombuffer(span, numpy.uint64)
            self._indices = numpy.array([(place - first) // _SIZE for place in places])
            self._seen = numpy.array([one.seen for one in noted], numpy.uint64)

    def changed(self) -> list[_Noted]:
        """Those that were changed since they were noted, in whatever way."""
        if self._memory is None:
            return [one for one in self._noted if one.version.value != one.seen]
        (places,) = (self._memory.take(self._indices) != self._seen).nonzero()
        return [self._noted[place] for place in places.tolist()]

    def note(self, changed: Iterable[_Noted]) -> None:
        """Take what these hold now as seen."""
        if self._memory is not None:
            for one in changed:
                self._seen[one.place] = one.seen


class Namespaces:
    """The namespaces of all modules but those of plugins."""

    def __init__(self) -> None:
        self._noted: dict[str, _Noted] = {}
        self._count = 0
        self._numpy: ModuleType | None = None
        self._versions = _Versions((), None)

    def note(self) -> None:
        """Take what modules hold that were imported since the last time as what they should.

        To be called while no plugin set is active.
        """
        if not self._count:
            # Now, before anybody could put something else there.
            self._numpy = sys.modules.get("numpy")
        if len(sys.modules) != self._count:
            self._take(tuple(sys.modules))
            self._count = len(sys.modules)

    def _take(self, names: tuple[str, ...]) -> None:
        noted, main = self._noted, getattr(sys.modules.get("__main__"), "__dict__", None)
        for name in names:
            module = sys.modules.get(name)
            space = getattr(module, "__dict__", None)
            if type(space) is not dict or space is main:
                continue
            if name not in noted or noted[name].names is not space:
                noted[name] = _Noted(space)
        self._versions = _Versions(tuple(noted.values()), self._numpy)

    def knows(self, name: str) -> bool:
        """Whether a module of this name was noted."""
        return name in self._noted

    def changed(self) -> list[_Noted]:
        """Those that were changed, in whatever way."""
        if not _VERSIONED:
            return list(self._noted.values())
        return self._versions.changed()

    def restore(self) -> None:
        """Undo what was done to functions, classes and modules in them."""
        changed = self.changed()
        for noted in changed:
            noted.restore()
        self._versions.note(changed)

    def patched(self) -> frozenset[tuple[int, str, int]]:
        """What `restore` would put back: whose, under which name, and what is there now."""
        return frozenset(_differences(self.changed()))

    def before_import(self) -> dict[int, _Names]:
        """What changed namespaces hold before something new is imported."""
        return {id(noted): noted.names.copy() for noted in self.changed()}

    def after_import(self, before: dict[int, _Names], imported: tuple[str, ...]) -> None:
        """What has been changed since is the doing of what was imported, which stays."""
        for noted in self.changed():
            earlier = before.get(id(noted), noted.copy)
            for name, value in noted.names.items():
                if earlier.get(name, _NOTHING) is not value:
                    noted.copy[name] = value
            for name in earlier.keys() - noted.names.keys():
                noted.copy.pop(name, None)
        self._take(imported)


def _differences(changed: list[_Noted]) -> Iterator[tuple[int, str, int]]:
    for noted in changed:
        names, copy = noted.names, noted.copy
        for name, value in names.items():
            old = copy.get(name, _NOTHING)
            if old is not value and (_is_code(old) if name in copy else _is_code(value)):
                yield id(names), name, id(value)


class ImportNotes:
    """A finder that finds nothing by itself, but notes what imports give, and change."""

    def __init__(self, namespaces: Namespaces, imported: Callable[[], None]) -> None:
        """Prepare; `imported` is called after each import that was not part of another."""
        self._namespaces = namespaces
        self._imported = imported
        self._ongoing = threading.local()

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """What the finders after this one find."""
        ongoing = self._ongoing
        if getattr(ongoing, "sought", None) == name:
            return None  # one of the others asks all others
        outer, ongoing.sought = getattr(ongoing, "sought", None), name
        try:
            return self._find(name, path, target)
        finally:
            ongoing.sought = outer

    def _find(self, name: str, path: Any, target: Any) -> ModuleSpec | None:
        finders = sys.meta_path
        after = next((i for i, one in enumerate(finders) if one is self), len(finders)) + 1
        for finder in finders[after:]:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                loader: Any = spec.loader
                if type(loader) in (SourceFileLoader, ExtensionFileLoader):
                    loader.exec_module = functools.partial(self._execute, loader)
                return spec
        return None

    def _execute(self, loader: Any, module: ModuleType) -> None:
        del loader.exec_module
        ongoing = self._ongoing
        names: list[str] | None = getattr(ongoing, "names", None)
        if names is not None:
            names.append(module.__name__)
            loader.exec_module(module)
            return
        ongoing.names = names = [module.__name__]
        before = self._namespaces.before_import()
        try:
            loader.exec_module(module)
        finally:
            ongoing.names = None
            self._namespaces.after_import(before, tuple(names))
            self._imported()
