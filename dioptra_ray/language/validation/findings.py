"""What a rule finds: a problem and its place, before the place is looked up in the text."""

import reprlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from dioptra_ray.language.issues import Severity
from dioptra_ray.language.paths import Path

_MAX_SHOWN = 60

# Bounded however large the value is, and with sets in one order.
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 2 * _MAX_SHOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem.

    Attributes:
        code: Stable dotted name of the check.
        message: One plain sentence.
        path: Keys and indices of its place.
        at_key: Whether the key at that place is wrong, rather than its value.
        severity: "error" or "warning".
    """

    code: str
    message: str
    path: Path
    at_key: bool = False
    severity: Severity = "error"


def show(value: Any) -> str:
    """A value as it may stand in a message: short, and on one line."""
    try:
        text = _REPR.repr(value) if not isinstance(value, str) else f'"{value}"'
    except (RecursionError, ValueError):
        return f"a {type(value).__name__}"
    text = " ".join(text.split()) if "\n" in text else text
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "..."


def listing(values: Iterable[Any], *, limit: int = 8) -> str:
    """Several values in a message."""
    shown = [show(value) for value in islice(values, limit + 1)]
    return ", ".join(shown[:limit]) + (" and more" if len(shown) > limit else "")


def kind_of(value: Any) -> str:
    """What YAML users call a value of this type."""
    names: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "a boolean"),
        (str, "text"),
        ((int, float), "a number"),
        (dict, "a mapping"),
        ((list, tuple), "a list"),
    )
    if value is None:
        return "null"
    return next((name for kind, name in names if isinstance(value, kind)), _kind_name(value))


def _kind_name(value: Any) -> str:
    return f"a {type(value).__name__}"
