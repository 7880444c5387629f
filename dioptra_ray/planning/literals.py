"""Values of a description as JSON, without changing any of them.

YAML has dates, byte strings, sets and mappings with keys that are not texts; JSON has not.
They are written as a mapping with one key that begins with a mark, so that a worker calls
a plugin with what the user wrote.
"""

import base64
import datetime as dt
from collections.abc import Mapping
from typing import Any

_MARK = "$dioptra:"
_MAPPING = f"{_MARK}mapping"
_SET = f"{_MARK}set"
_BYTES = f"{_MARK}bytes"
_DATE = f"{_MARK}date"
_DATETIME = f"{_MARK}datetime"


def write_literal(value: Any) -> Any:
    """`value` in terms of JSON."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith(_MARK) for key in value):
            return {key: write_literal(item) for key, item in value.items()}
        pairs = [[write_literal(key), write_literal(item)] for key, item in value.items()]
        return {_MAPPING: pairs}
    if isinstance(value, list | tuple):
        return [write_literal(item) for item in value]
    return _write_special(value)


def read_literal(value: Any) -> Any:
    """What `write_literal` was given; tuples have become lists."""
    if isinstance(value, list):
        return [read_literal(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        mark, content = next(iter(value.items()))
        if mark.startswith(_MARK):
            return _read_special(mark, content)
    return {key: read_literal(item) for key, item in value.items()}


def _write_special(value: Any) -> Any:
    # A datetime is a date too, so it comes first.
    if isinstance(value, dt.datetime):
        return {_DATETIME: value.isoformat()}
    if isinstance(value, dt.date):
        return {_DATE: value.isoformat()}
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode()}
    if isinstance(value, set | frozenset):
        return {_SET: [write_literal(item) for item in sorted(value, key=repr)]}
    raise TypeError(f"{type(value).__name__} cannot be part of a description")


def _read_special(mark: str, content: Any) -> Any:
    if mark == _MAPPING:
        return {_hashable(read_literal(key)): read_literal(item) for key, item in content}
    if mark == _SET:
        return {_hashable(read_literal(item)) for item in content}
    if mark == _BYTES:
        return base64.b64decode(content)
    if mark == _DATETIME:
        return dt.datetime.fromisoformat(content)
    if mark == _DATE:
        return dt.date.fromisoformat(content)
    raise ValueError(f"{mark} is not known: the plan was made by a newer version")


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value
