"""Stopping streams from another thread than the one that reads them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc


class CancelledError(Exception):
    """A stream was cancelled by its reader; never seen by users."""


class Cancellation:
    """Stops a stream, or the wait for the next one, from another thread."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._calls: set[grpc.Call] = set()
        self._lock = threading.Lock()

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Cancel what runs and what would come after."""
        with self._lock:
            self._cancelled.set()
            for call in self._calls:
                call.cancel()

    def sleep(self, seconds: float) -> None:
        """Sleep until cancelled.

        Raises:
            CancelledError: It was cancelled.
        """
        if self._cancelled.wait(seconds):
            raise CancelledError

    @contextmanager
    def covering(self, call: grpc.Call) -> Iterator[None]:
        """Cancel a call as well, as long as it runs."""
        with self._lock:
            self._calls.add(call)
            if self.is_cancelled:
                call.cancel()
        try:
            yield
        finally:
            with self._lock:
                self._calls.discard(call)
