"""Keeps what jobs do to classes of other people from the jobs after them.

A step may put a function of its own in place of a method: `json.JSONEncoder.default`, say.
As with modules (see `namespaces.py`), Python tells by a number which few classes, among
thousands, were changed at all. All are asked when the stage's report is on its way already.
A Python that does not number them (from 3.13 on) is left without.
"""

import gc
import sys
from collections.abc import Iterable
from types import FunctionType, ModuleType
from typing import Any

from dioptra_workers.stage.versions import VERSIONED, Versions, version_of

_HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE: others cannot be changed
# Past what a metaclass may make of them.
_flags = type.__dict__["__flags__"].__get__
_dict = type.__dict__["__dict__"].__get__
_METHODS = (FunctionType, classmethod, staticmethod, property)
_NOTHING = object()


class _Noted:
    """A class, what it should hold, and the number of its dict."""

    __slots__ = ("cls", "copy", "names", "place", "seen", "version")

    def __init__(self, cls: type, names: dict[str, Any]) -> None:
        self.cls = cls
        self.names = names
        self.version = version_of(names)
        self.place = 0
        self.take()

    def take(self) -> None:
        """What it holds now is what it should."""
        self.copy = self.names.copy()
        self.seen = self.version.value

    def restore(self) -> None:
        """Put methods back that were replaced or removed, and take added ones out."""
        names, copy = self.names, self.copy
        for name, old in copy.items():
            new = names.get(name, _NOTHING)
            if new is not old and _is_method(old) and not self._is_own(new):
                type.__setattr__(self.cls, name, old)
        for name in names.keys() - copy.keys():
            if isinstance(names[name], _METHODS) and not self._is_own(names[name]):
                type.__delattr__(self.cls, name)
        self.take()

    def _is_own(self, value: object) -> bool:
        """Whether the class's own library has put it there, as some do when first used."""
        function = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
        module = getattr(function, "__module__", None)
        return isinstance(module, str) and _top(module) == _top(self.cls.__module__)


def _is_method(value: object) -> bool:
    return isinstance(value, _METHODS) or callable(value)


def _top(module: str) -> str:
    return module.partition(".")[0]


class Classes:
    """The classes in the namespaces of all modules but those of plugins."""

    def __init__(self) -> None:
        self._noted: dict[int, _Noted] = {}
        self._modules: dict[str, int] = {}
        self._count = 0
        self._numpy: ModuleType | None = None
        self._versions: Versions[_Noted] = Versions((), None)

    def note(self) -> None:
        """Take what classes hold of modules that were imported since the last time.

        To be called while no plugin set is active.
        """
        if not self._count:
            # Now, before anybody could put something else there.
            self._numpy = sys.modules.get("numpy")
        if len(sys.modules) != self._count:
            self._take(tuple(sys.modules))
            self._count = len(sys.modules)

    def _take(self, modules: Iterable[str]) -> None:
        known = len(self._noted)
        for name in modules if VERSIONED else ():
            space = getattr(sys.modules.get(name), "__dict__", None)
            if type(space) is not dict or self._modules.get(name) == id(space):
                continue
            self._modules[name] = id(space)
            for value in tuple(space.values()):
                # Not isinstance: some objects lie about their class, or load things to tell.
                if issubclass(type(value), type) and id(value) not in self._noted:
                    self._take_class(value)
        if len(self._noted) > known:
            self._versions = Versions(tuple(self._noted.values()), self._numpy)

    def _take_class(self, cls: type) -> None:
        if _flags(cls) & _HEAP:
            held = gc.get_referents(_dict(cls))
            if len(held) == 1 and type(held[0]) is dict:
                self._noted[id(cls)] = _Noted(cls, held[0])

    def before_import(self) -> list[tuple[_Noted, dict[str, Any]]]:
        """What changed classes hold before something new is imported."""
        return [(one, one.names.copy()) for one in self._versions.changed()]

    def after_import(
        self, before: list[tuple[_Noted, dict[str, Any]]], imported: tuple[str, ...]
    ) -> None:
        """What was changed since is the doing of what was imported, which stays."""
        earlier = {id(one): names for one, names in before}
        for one in self._versions.changed():
            known = earlier.get(id(one), one.copy)
            for name, value in one.names.items():
                if known.get(name, _NOTHING) is not value:
                    one.copy[name] = value
            for name in known.keys() - one.names.keys():
                one.copy.pop(name, None)
        self._take(imported)

    def restore(self) -> None:
        """Undo what was done to methods of them."""
        changed = self._versions.changed()
        for one in changed:
            one.restore()
        self._versions.note(changed)

    def patched(self) -> frozenset[tuple[int, str, int]]:
        """What `restore` may put back: whose, under which name, and what is there now."""
        return frozenset(
            (id(one.cls), name, id(value))
            for one in self._versions.changed()
            for name, value in one.names.items()
            if one.copy.get(name, _NOTHING) is not value and _is_method(value)
        )
