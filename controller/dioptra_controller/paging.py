"""Pages of long lists: opaque tokens that are bound to the query they came from.

A token holds the sort key of the last row that was shown (keyset paging: inserts between
two pages never shift rows) and a digest of the query, so that a token cannot be used for
another one.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from dioptra_ray.errors import InvalidRequestError

T = TypeVar("T")
R = TypeVar("R")
Key = str | int

DEFAULT_SIZE = 50
MAX_SIZE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page.

    Attributes:
        rows: The rows, in the order of the query.
        next_token: For the following page; empty on the last one.
    """

    rows: tuple[T, ...]
    next_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """What a list call asks for, before its token was read."""

    size: int = 0
    token: str = ""


def page_size(requested: int, *, default: int = DEFAULT_SIZE, most: int = MAX_SIZE) -> int:
    """How many rows to show: `default` for 0, never more than `most`.

    Raises:
        InvalidRequestError: A negative number.
    """
    if requested < 0:
        raise InvalidRequestError(f"page_size is {requested}; use 0 for {default}, or 1 to {most}")
    return min(requested, most) or default


def encode(after: Sequence[Key], *query: Any) -> str:
    """Make the token of the page that begins behind the row with sort key `after`."""
    text = json.dumps([_digest(query, after), *after], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(token: str, *query: Any) -> tuple[Any, ...] | None:
    """Read the sort key out of a token of the same query; None for an empty token.

    Raises:
        InvalidRequestError: The token is damaged, or belongs to another query.
    """
    if not token:
        return None
    try:
        padded = token + "=" * (-len(token) % 4)
        content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError) as error:
        raise InvalidRequestError("page_token is damaged; begin with an empty one") from error
    if not isinstance(content, list) or content[:1] != [_digest(query, content[1:])]:
        raise InvalidRequestError("page_token is of another query; begin with an empty one")
    return tuple(content[1:])


def slice_page(
    rows: Sequence[R],
    size: int,
    *query: Any,
    key: Callable[[R], Sequence[Key]],
) -> Page[R]:
    """Make a page of `size` out of the up to `size + 1` rows that the database gave."""
    shown = tuple(rows[:size])
    more = len(rows) > size
    return Page(rows=shown, next_token=encode(key(shown[-1]), *query) if more else "")


def _digest(query: Sequence[Any], after: Sequence[Any]) -> str:
    text = json.dumps([query, after], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
