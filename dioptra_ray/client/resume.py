"""Streams that outlive their connection: they go on after the last position seen."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from dioptra_ray.client.backoff import Backoff, asked_of
from dioptra_ray.errors import ThrottledError, UnavailableError

Item = TypeVar("Item")


def resume(
    open_stream: Callable[[int], Iterator[Item]],
    *,
    position: Callable[[Item], int],
    after: int,
    backoff: Backoff,
    is_last: Callable[[Item], bool] = lambda _: False,
) -> Iterator[Item]:
    """Yield the items of a stream; open it again, after the last one seen, when it is lost.

    A stream that ends without an error has said everything.

    Args:
        open_stream: Opens the stream after a position.
        position: Where an item is.
        after: The position to begin after.
        backoff: Paces the attempts.
        is_last: Whether no item can follow, so that there is nothing to wait for.

    Raises:
        UnavailableError: Nobody has answered for as long as the backoff is patient.
        ThrottledError: There were too many streams for just as long.
    """
    while True:
        stream = open_stream(after)
        try:
            for item in stream:
                backoff.succeeded()
                after = max(after, position(item))
                yield item
                if is_last(item):
                    return
        except (ThrottledError, UnavailableError) as error:
            if not backoff.wait(asked_of(error)):
                raise
        else:
            return
        finally:
            close = getattr(stream, "close", None)
            if close is not None:
                close()
