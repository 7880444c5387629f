"""Keeps what jobs do to modules of other people from the jobs after them.

A step may put a function of its own in place of `torch.load`, `json.dumps` or even `open`.
What an imported module holds right after its import is noted, and functions, classes and
modules that were replaced, removed or added since are put back after each stage. Other
values are left alone: they may be caches, or say that something was initialized.

Python 3.11 gives every dict a number that changes with its contents, which makes it a
matter of microseconds to find the few modules, among thousands, that were changed at all.
Where there is no such number, all are looked at.
"""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from dioptra_workers.stage.versions import VERSIONED, Versions, version_of

_Names = dict[str, Any]
_NOTHING = object()


class _Noted:
    """A module's namespace, and a copy of it to go back to."""

    __slots__ = ("copy", "names", "place", "seen", "version")

    def __init__(self, names: _Names) -> None:
        self.names = names
        self.copy = names.copy()
        self.version = version_of(names)
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


class Namespaces:
    """The namespaces of all modules but those of plugins."""

    def __init__(self) -> None:
        self._noted: dict[str, _Noted] = {}
        self._count = 0
        self._numpy: ModuleType | None = None
        self._versions: Versions[_Noted] = Versions((), None)

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
        self._versions = Versions(tuple(noted.values()), self._numpy)

    def knows(self, name: str) -> bool:
        """Whether a module of this name was noted."""
        return name in self._noted

    def changed(self) -> list[_Noted]:
        """Those that were changed, in whatever way."""
        if not VERSIONED:
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
