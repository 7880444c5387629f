"""Texts to values: how a job's parameters, given as text, become what their type says.

The rules are Dioptra's (its job values and entrypoint defaults are always texts), so that
`" 1 "` is an integer and `"yes"` is no boolean here exactly when they are there.
"""

import json
from collections.abc import Callable
from typing import Any, Final


def coerce(kind: str, text: str) -> Any:
    """The value that `text` stands for in an entrypoint parameter of type `kind`.

    Raises:
        ValueError: `text` is no such value, or there is no such type.
    """
    try:
        read = _READERS[kind]
    except KeyError:
        raise ValueError(
            f"{kind!r} is not an entrypoint parameter type; use one of {', '.join(KINDS)}."
        ) from None
    try:
        return read(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{_shorten(text)} is not {_ARTICLES[kind]} {kind}.") from error


def _read_boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered not in {"true", "false"}:
        raise ValueError(text)
    return lowered == "true"


def _read_json(kind: type) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = json.loads(text)
        if not isinstance(value, kind):
            raise ValueError(text)  # noqa: TRY004 - callers handle one error
        return value

    return read


def _shorten(text: str, limit: int = 60) -> str:
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")


_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "string": str,
    "boolean": _read_boolean,
    "integer": int,
    "float": float,
    "list": _read_json(list),
    "mapping": _read_json(dict),
}
_ARTICLES: Final = dict.fromkeys(_READERS, "a") | {"integer": "an"}

KINDS: Final = tuple(_READERS)
"""The types that an entrypoint parameter may have."""

DESCRIPTION_TYPES: Final[dict[str, str | None]] = {
    "string": "string",
    "boolean": "boolean",
    "integer": "integer",
    "float": "number",
    "list": None,
    "mapping": None,
}
"""The description's type for each; None where Dioptra infers it from the default."""
