"""How much of what is on its way may lie in memory at once."""

import threading
from concurrent.futures import Future
from typing import Any


class MemoryBudget:
    """Bytes that transfers share, so that many at once take no more memory than a few."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._free = size
        self._changed = threading.Condition()

    def take(self, wanted: int) -> int:
        """Wait until so many bytes are free and take them; returns what to give back.

        Who holds some already must not wait for more, or all may wait for each other:
        see `try_take`.
        """
        taken = min(wanted, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= taken)
            self._free -= taken
        return taken

    def try_take(self, wanted: int) -> int | None:
        """Take so many bytes when they are free now; None when they are not."""
        taken = min(wanted, self._size)
        with self._changed:
            if self._free < taken:
                return None
            self._free -= taken
        return taken

    def give_back(self, taken: int) -> None:
        """Give back what was taken."""
        with self._changed:
            self._free += taken
            self._changed.notify_all()

    def give_back_after(self, work: Future[Any], taken: int) -> None:
        """Give back what was taken once this work is done, or cancelled."""
        work.add_done_callback(lambda _: self.give_back(taken))
