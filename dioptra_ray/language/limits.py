"""How large a description may be. Descriptions come from outside; everything is bounded."""

from collections.abc import Iterator, Mapping
from typing import Any

MAX_TEXT = 8 * 1024 * 1024
"""Characters of a text."""

MAX_DEPTH = 64
"""Mappings and lists inside each other."""

MAX_VALUES = 500_000
"""Values in a description, each counted as often as aliases repeat it."""

MAX_SCALAR = 1_000
"""Characters of a number or a date."""


def find_excess(value: Any) -> str | None:
    """What is too large about a value in memory; None when nothing is. Never recurses."""
    pending: list[Iterator[Any]] = [iter((value,))]
    count = 0
    while pending:
        item = next(pending[-1], _END)
        if item is _END:
            pending.pop()
            continue
        count += 1
        if count > MAX_VALUES:
            return f"it has more than {MAX_VALUES} values"
        parts = _parts(item)
        if parts is None:
            continue
        if len(pending) > MAX_DEPTH:
            return f"it is nested more than {MAX_DEPTH} levels deep"
        pending.append(parts)
    return None


_END = object()


def _parts(item: Any) -> Iterator[Any] | None:
    if isinstance(item, Mapping):
        return iter(item.values())
    if isinstance(item, list | tuple | set | frozenset):
        return iter(item)
    return None
