"""Lists in pages, read as one."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")

LARGEST_PAGE = 1000


def read_pages(
    fetch: Callable[[int, str], tuple[Iterable[Item], str]],
    *,
    limit: int | None,
    largest: int = LARGEST_PAGE,
) -> tuple[Item, ...]:
    """Read pages until there are no more, or `limit` items are there.

    Args:
        fetch: Fetches a page by size and token; returns its items and the next token.
        limit: At most this many items; None for all.
        largest: The largest page that the controller gives.
    """
    return tuple(islice(_items(fetch, min(limit or largest, largest)), limit))


def _items(fetch: Callable[[int, str], tuple[Iterable[Item], str]], size: int) -> Iterator[Item]:
    token = ""
    while True:
        items, token = fetch(size, token)
        yield from items
        if not token:
            return
