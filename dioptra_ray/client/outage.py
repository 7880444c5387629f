"""Telling people once that the controller is gone, and once that it is back."""

import threading
from collections.abc import Callable
from typing import Final

LOST: Final = "connection lost, trying again"
BACK: Final = "connected again"


class Outage:
    """Whether the controller is gone, for all streams of a connection together."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._is_on = False

    @property
    def is_on(self) -> bool:
        """Whether it is gone as far as we know."""
        return self._is_on

    def begin(self) -> None:
        """A stream was lost."""
        self._change(LOST, is_on=True)

    def end(self) -> None:
        """The controller has answered."""
        self._change(BACK, is_on=False)

    def _change(self, text: str, *, is_on: bool) -> None:
        with self._lock:
            if self._is_on is is_on:
                return
            self._is_on = is_on
            self._tell(text)
