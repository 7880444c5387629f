"""Threads that do what an event loop must not wait for, and tell it in one call.

What a thread pool and its futures add (two locks, two more callbacks) takes about as long as
a short transaction.
"""

import asyncio
import contextlib
import contextvars
import functools
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

R = TypeVar("R")
T = TypeVar("T")

_Work = Callable[[], None]


class Lane:
    """Some threads that take work in the order in which it comes.

    Args:
        name: Names the threads.
        count: How many there are; with one, nothing overlaps.
    """

    def __init__(self, name: str, count: int) -> None:
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(count)
        ]
        self._is_running = False

    async def run(self, work: Callable[[], R], deliver: Callable[[R], T]) -> T:
        """Do something on a thread.

        Args:
            work: What; it is done whatever becomes of the caller.
            deliver: Gets the result in the event loop, as soon as it is there, and returns
                what the caller gets; called even if the caller was cancelled meanwhile.
        """
        loop = asyncio.get_running_loop()
        # The work is that of whoever called us.
        context = contextvars.copy_context()
        waiting: asyncio.Future[T] = loop.create_future()

        def succeed(result: R) -> None:
            delivered = deliver(result)
            if not waiting.done():
                waiting.set_result(delivered)

        def fail(error: BaseException) -> None:
            if not waiting.done():
                waiting.set_exception(error)

        def on_thread() -> None:
            try:
                call = functools.partial(succeed, context.run(work))
            except BaseException as error:  # noqa: BLE001 - the caller's to deal with
                call = functools.partial(fail, error)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is there
                loop.call_soon_threadsafe(call)

        self._put(on_thread)
        return await waiting

    def close(self) -> None:
        """Finish what there is to do, and end the threads."""
        if self._is_running:
            for _ in self._threads:
                self._queue.put(None)
            for thread in self._threads:
                thread.join()

    def _put(self, work: _Work) -> None:
        if not self._is_running:
            self._is_running = True
            for thread in self._threads:
                thread.start()
        self._queue.put(work)

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            work()
            del work  # it holds a result, which must not wait for the next work to go
