"""Several streams read as one, by the time of their items as far as they come together."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from dioptra_ray.client.cancellation import Cancellation, CancelledError

QUIET_SECONDS: Final = 0.05
"""After so long without a new item, what has come is told."""
LONGEST_SECONDS: Final = 0.5
MOST_ITEMS: Final = 50_000

_Arrival = tuple[str, int, Any]


def merge(
    *sources: Callable[[Cancellation], Iterator[Any]],
    time_of: Callable[[Any], datetime],
    quiet: float = QUIET_SECONDS,
    longest: float = LONGEST_SECONDS,
) -> Iterator[Any]:
    """Yield the items of all streams until each has ended, or one has failed.

    Items that come together, as what lies behind does, are sorted by time; the order of each
    stream is kept. What comes later is told later: nobody waits for a stream that is silent.

    Args:
        sources: Opens each stream; the stream must end when the cancellation says so.
        time_of: When an item happened.
        quiet: How many seconds without an item mean that no more come together.
        longest: For how many seconds items may be held back in all.
    """
    arrivals: queue.SimpleQueue[_Arrival] = queue.SimpleQueue()
    cancellation = Cancellation()

    def read(number: int, source: Callable[[Cancellation], Iterator[Any]]) -> None:
        try:
            for item in source(cancellation):
                arrivals.put(("item", number, item))
        except CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by the reader
            arrivals.put(("error", number, error))
        finally:
            arrivals.put(("end", number, None))

    threads = [threading.Thread(target=read, args=one, daemon=True) for one in enumerate(sources)]
    for thread in threads:
        thread.start()
    try:
        left = len(threads)
        latest: dict[int, datetime] = {}
        while left:
            together = _gather(arrivals, left, quiet, longest)
            left -= sum(kind == "end" for kind, _, _ in together)
            yield from _sorted(together, latest, time_of)
            for kind, _, content in together:
                if kind == "error":
                    raise content
    finally:
        cancellation.cancel()
        for thread in threads:
            thread.join(timeout=1.0)


def _gather(
    arrivals: "queue.SimpleQueue[_Arrival]", left: int, quiet: float, longest: float
) -> list[_Arrival]:
    """The next arrival, and those that come right after it."""
    together = [arrivals.get()]
    deadline = time.monotonic() + longest
    while len(together) < MOST_ITEMS and time.monotonic() < deadline:
        left -= together[-1][0] == "end"
        if not left:
            break
        try:
            together.append(arrivals.get(timeout=quiet))
        except queue.Empty:
            break
    return together


def _sorted(
    together: list[_Arrival], latest: dict[int, datetime], time_of: Callable[[Any], datetime]
) -> Iterator[Any]:
    timed = []
    for order, (kind, number, item) in enumerate(together):
        if kind == "item":
            # Never before what its own stream has said before it.
            latest[number] = max(time_of(item), latest.get(number, time_of(item)))
            timed.append((latest[number], order, item))
    for _, _, item in sorted(timed, key=lambda entry: entry[:2]):
        yield item
