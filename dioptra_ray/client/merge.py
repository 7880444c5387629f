"""Several streams read as one, in the order in which their items arrive."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from dioptra_ray.client.cancellation import Cancellation, CancelledError


def merge(*sources: Callable[[Cancellation], Iterator[Any]]) -> Iterator[Any]:
    """Yield the items of all streams until each has ended, or one has failed.

    Args:
        sources: Opens each stream; the stream must end when the cancellation says so.
    """
    items: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    cancellation = Cancellation()

    def read(source: Callable[[Cancellation], Iterator[Any]]) -> None:
        try:
            for item in source(cancellation):
                items.put(("item", item))
        except CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by the reader
            items.put(("error", error))
        finally:
            items.put(("end", None))

    threads = [threading.Thread(target=read, args=(one,), daemon=True) for one in sources]
    for thread in threads:
        thread.start()
    try:
        left = len(threads)
        while left:
            kind, content = items.get()
            if kind == "error":
                raise content
            if kind == "end":
                left -= 1
            else:
                yield content
    finally:
        cancellation.cancel()
        for thread in threads:
            thread.join(timeout=1.0)
