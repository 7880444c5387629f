"""Putting things back to what they were, in place, at the least cost when nothing changed.

Everything is compared by identity: no `__eq__` of a user runs, and an equal value of
another type is a change.
"""

import sys
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from operator import attrgetter, is_
from types import CellType, FunctionType, ModuleType
from typing import Any


class Restorable(ABC):
    """Something whose state at the time of its making is known.

    Attributes:
        views: Live collections whose elements are all of that state; none when it takes more.
    """

    views: tuple[Collection[Any], ...] = ()

    def is_clean(self) -> bool:
        """Whether it is as it was, as far as an import can tell."""
        return self._is_untouched()

    def restore(self) -> bool:
        """Make it as it was; say whether there was anything to do."""
        if self._is_untouched():
            return False
        self._put_back()
        return True

    @abstractmethod
    def _is_untouched(self) -> bool: ...

    @abstractmethod
    def _put_back(self) -> None: ...


class Overview:
    """The elements of many views, compared all at once."""

    def __init__(self, views: Iterable[Collection[Any]]) -> None:
        self._views = tuple(views)
        self._lengths = list(map(len, self._views))
        self._elements = tuple(chain.from_iterable(self._views))

    def is_untouched(self) -> bool:
        """Whether all are as they were."""
        return list(map(len, self._views)) == self._lengths and _same(
            chain.from_iterable(self._views), self._elements
        )


def _same(values: Iterable[Any], others: Iterable[Any]) -> bool:
    return all(map(is_, values, others))


class Namespace(Restorable):
    """The globals of a module."""

    def __init__(self, module: ModuleType) -> None:
        self._name = module.__name__
        self._globals = vars(module)
        self.views = self._globals.keys(), self._globals.values()
        self._known = dict(self._globals)
        self._note()

    def _note(self) -> None:
        self._names = tuple(self._globals)
        self._values = tuple(self._globals.values())

    def is_clean(self) -> bool:
        """Whether it is as it was, but for what `warnings` keeps there."""
        if self._is_untouched():
            return True
        self._adopt_submodules()
        seen = {k: v for k, v in self._globals.items() if k != "__warningregistry__"}
        return seen.keys() == self._known.keys() and all(
            seen[name] is value for name, value in self._known.items()
        )

    def _is_untouched(self) -> bool:
        names, values = self._names, self._values
        return (
            len(self._globals) == len(names)
            and _same(self._globals.values(), values)
            and _same(self._globals, names)
        )

    def _put_back(self) -> None:
        # Never empty in between: a thread that a step has left may be running its functions.
        self._adopt_submodules()
        for name in self._globals.keys() - self._known.keys():
            del self._globals[name]
        for name, value in self._known.items():
            if self._globals.get(name, self) is not value:
                self._globals[name] = value
        self._note()

    def _adopt_submodules(self) -> None:
        """Know what was imported below a package since: the import system puts it there."""
        for name, value in list(self._globals.items()):
            if type(value) is ModuleType and sys.modules.get(f"{self._name}.{name}") is value:
                self._known[name] = value


_DERIVED = frozenset(
    {
        "__annotations__",
        "__callable_proto_members_only__",
        "__non_callable_proto_members__",
        "__protocol_attrs__",
        "__signature__",
        "__slotnames__",
        "__static_attributes__",
    }
)
"""What Python notes in a class when it is looked at."""


class Attributes(Restorable):
    """The attributes of a class."""

    def __init__(self, cls: type) -> None:
        self._cls = cls
        self.views = vars(cls).keys(), vars(cls).values()
        self._known = dict(vars(cls))
        self._note()

    def _note(self) -> None:
        self._names = tuple(vars(self._cls))
        self._values = tuple(vars(self._cls).values())

    def _is_untouched(self) -> bool:
        now = vars(self._cls)
        if len(now) == len(self._names) and _same(now.values(), self._values):
            return True
        for name in (now.keys() - self._known.keys()) & _DERIVED:
            self._known[name] = now[name]
        if now.keys() != self._known.keys():
            return False
        if not all(now[name] is value for name, value in self._known.items()):
            return False
        self._note()
        return True

    def _put_back(self) -> None:
        now = dict(vars(self._cls))
        for name in now.keys() - self._known.keys():
            type.__delattr__(self._cls, name)
        for name, value in self._known.items():
            if now.get(name, self) is not value:
                type.__setattr__(self._cls, name, value)
        self._note()


class Items(Restorable):
    """A list, deque or set."""

    def __init__(self, value: Any) -> None:
        self._value = value
        self.views = (value,)
        self._add = value.update if isinstance(value, set) else value.extend
        self._items = tuple(value)

    def _is_untouched(self) -> bool:
        return len(self._value) == len(self._items) and _same(self._value, self._items)

    def _put_back(self) -> None:
        self._value.clear()
        self._add(self._items)


class Entries(Restorable):
    """A dict of any of the standard kinds."""

    def __init__(self, value: dict[Any, Any]) -> None:
        self._value = value
        self._keys = tuple(value)
        self._values = tuple(value.values())
        if not isinstance(value, defaultdict):
            self.views = value.keys(), value.values()
        self._default = value.default_factory if isinstance(value, defaultdict) else None

    def _is_untouched(self) -> bool:
        value = self._value
        if isinstance(value, defaultdict) and value.default_factory is not self._default:
            return False
        return (
            len(value) == len(self._keys)
            and _same(value.values(), self._values)
            and _same(value, self._keys)
        )

    def _put_back(self) -> None:
        value = self._value
        if isinstance(value, defaultdict):
            value.default_factory = self._default
        value.clear()
        for key, item in zip(self._keys, self._values, strict=True):
            value[key] = item


class Octets(Restorable):
    """A bytearray."""

    def __init__(self, value: bytearray) -> None:
        self._value = value
        self._copy = bytes(value)

    def _is_untouched(self) -> bool:
        return self._value == self._copy

    def _put_back(self) -> None:
        self._value[:] = self._copy


class Empties(Restorable):
    """Containers that were empty, as the attribute dicts of most functions are."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.views = self._values = tuple(values)

    def _is_untouched(self) -> bool:
        return not any(self._values)

    def _put_back(self) -> None:
        for value in self._values:
            value.clear()


class Cells(Restorable):
    """What closures have captured."""

    def __init__(self, cells: Sequence[CellType]) -> None:
        self._cells = tuple(cells)
        self._contents = tuple(map(_content, cells))

    def _is_untouched(self) -> bool:
        return _same(map(_content, self._cells), self._contents)

    def _put_back(self) -> None:
        for cell, content in zip(self._cells, self._contents, strict=True):
            if content is not _NOTHING:
                cell.cell_contents = content
            elif _content(cell) is not _NOTHING:
                del cell.cell_contents


_NOTHING = object()


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _NOTHING


class Functions(Restorable):
    """What a function can be given at run time besides its attributes."""

    _KEYS = ("__code__", "__defaults__", "__kwdefaults__", "__dict__")

    def __init__(self, functions: Sequence[FunctionType]) -> None:
        self._functions = tuple(functions)
        self._known = [
            (key, attrgetter(key), tuple(map(attrgetter(key), functions))) for key in self._KEYS
        ]

    def _is_untouched(self) -> bool:
        return all(_same(map(get, self._functions), known) for _, get, known in self._known)

    def _put_back(self) -> None:
        for key, get, known in self._known:
            if not _same(map(get, self._functions), known):
                for function, value in zip(self._functions, known, strict=True):
                    setattr(function, key, value)


class Caches(Restorable):
    """Functions with `functools.cache`; what they remember is computed again."""

    def __init__(self, caches: Sequence[Any]) -> None:
        self._caches = tuple(caches)

    def is_clean(self) -> bool:
        """An import cannot tell."""
        return True

    def _is_untouched(self) -> bool:
        return not any(cache.cache_info().misses for cache in self._caches)

    def _put_back(self) -> None:
        for cache in self._caches:
            cache.cache_clear()
