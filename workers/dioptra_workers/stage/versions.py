"""Finds the few dicts, among thousands, that were changed.

Python 3.11 and 3.12 give every dict a number that changes with its contents.
"""

import ctypes
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any, Generic, Protocol, TypeVar

_Names = dict[str, Any]
_VERSION_OFFSET = 24
_SIZE = 8


class Numbered(Protocol):
    """Something with a dict that was looked at.

    Attributes:
        version: Where Python keeps the number of the dict.
        seen: What it was then.
        place: For `Versions`.
    """

    version: ctypes.c_uint64
    seen: int
    place: int


N = TypeVar("N", bound=Numbered)


def version_of(names: _Names) -> "ctypes.c_uint64":
    """Where Python keeps the number of a dict; means nothing unless `VERSIONED`."""
    return ctypes.c_uint64.from_address(id(names) + _VERSION_OFFSET)


def _has_versions() -> bool:
    if sys.implementation.name != "cpython" or sys.version_info >= (3, 13):
        return False
    names: _Names = {"a": 1}
    version = version_of(names)
    seen = {version.value}
    for value in ("x", "y"):
        names["a"] = value
        seen.add(version.value)
    return len(seen) == 3  # noqa: PLR2004 - at first, and after each of two changes


VERSIONED = _has_versions()
"""Whether this Python numbers dicts."""


class Versions(Generic[N]):
    """Finds those of many namespaces whose number is not the one that was seen.

    With numpy, which worker processes have, this takes microseconds. One by one, it is half
    a millisecond when the process has just been idle: the time it takes to fetch so many
    objects from memory.
    """

    def __init__(self, noted: Sequence[N], numpy: ModuleType | None) -> None:
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

    def changed(self) -> list[N]:
        """Those that were changed since they were noted, in whatever way."""
        if self._memory is None:
            return [one for one in self._noted if one.version.value != one.seen]
        (places,) = (self._memory.take(self._indices) != self._seen).nonzero()
        return [self._noted[place] for place in places.tolist()]

    def note(self, changed: Iterable[N]) -> None:
        """Take what these hold now as seen."""
        if self._memory is not None:
            for one in changed:
                self._seen[one.place] = one.seen
