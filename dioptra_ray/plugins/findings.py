"""What the inspection of a module has found so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import CellType, FunctionType
from typing import Any

from dioptra_ray.plugins.restoring import Caches, Cells, Empties, Functions, Restorable

_LARGEST = 10_000
"""Values in one module beyond which importing it again is the lesser work."""


class TooLargeError(Exception):
    """The module holds too much to keep a copy of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found in a module.

    Attributes:
        restorables: What can be put back.
        classes: The classes that it defines.
        stateful: The globals that cannot be put back, and why.
        fingerprint: Equal when the module was imported with equal results.
    """

    restorables: tuple[Restorable, ...]
    classes: tuple[type, ...]
    stateful: Mapping[str, str]
    fingerprint: int


@dataclass(slots=True)
class Findings:
    """Grows while a module is taken apart.

    Attributes:
        place: The global that is being looked at.
    """

    place: str = ""
    restorables: list[Restorable] = field(default_factory=list)
    classes: list[type] = field(default_factory=list)
    functions: list[FunctionType] = field(default_factory=list)
    empties: list[Any] = field(default_factory=list)
    cells: list[CellType] = field(default_factory=list)
    caches: list[Any] = field(default_factory=list)
    _stateful: dict[str, str] = field(default_factory=dict)
    _tokens: list[str] = field(default_factory=list)

    def doubt(self, why: str) -> None:
        """Note that the global being looked at cannot be put back."""
        self._stateful.setdefault(self.place, why)

    def say(self, token: str) -> None:
        """Add to the fingerprint.

        Raises:
            TooLargeError: The module has too many values.
        """
        if len(self._tokens) >= _LARGEST:
            raise TooLargeError
        self._tokens.append(token)

    def inspection(self) -> Inspection:
        """All of it; things of one kind are restored together, which is faster."""
        grouped: list[Restorable] = []
        if self.functions:
            grouped.append(Functions(self.functions))
        if self.empties:
            grouped.append(Empties(self.empties))
        if self.cells:
            grouped.append(Cells(self.cells))
        if self.caches:
            grouped.append(Caches(self.caches))
        return Inspection(
            restorables=(*self.restorables, *grouped),
            classes=tuple(self.classes),
            stateful=self._stateful,
            fingerprint=hash(tuple(self._tokens)),
        )
