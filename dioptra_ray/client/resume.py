"""Streams that outlive their connection: they go on after the last position seen."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from dioptra_ray.client.backoff import Backoff
from dioptra_ray.errors import UnavailableError

Item = TypeVar("Item")


def resume(
    open_stream: Callable[[int], Iterator[Item]],
    *,
    position: Callable[[Item], int],
    is_last: Callable[[Item], bool] | None,
    after: int,
    backoff: Backoff,
) -> Iterator[Item]:
    """Yield the items of a stream; open it again, after the last one seen, when it is lost.

    Args:
        open_stream: Opens the stream after a position.
        position: Where an item is.
        is_last: Whether no item follows; a stream that ends before such an item was lost.
            None when only the stream's own end says so.
        after: The position to begin after.
        backoff: Paces the attempts.

    Raises:
        UnavailableError: Nobody has answered for as long as the backoff is patient.
    """
    while True:
        lost: UnavailableError | None = None
        stream = open_stream(after)
        try:
            for item in stream:
                backoff.succeeded()
                after = max(after, position(item))
                yield item
                if is_last is not None and is_last(item):
                    return
        except UnavailableError as error:
            lost = error
        finally:
            close = getattr(stream, "close", None)
            if close is not None:
                close()
        if lost is None and is_last is None:
            return
        if not backoff.wait():
            raise lost or UnavailableError("the stream ends before what it streams has ended")
