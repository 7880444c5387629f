"""Stops user code in the main thread, from another thread.

A Python signal handler runs in the main thread between two instructions and also ends an
interruptible C call such as `time.sleep`, so raising from one stops almost any step at
once. What does not listen (a long call into C) is killed by the runner after a grace.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Literal, Self

from dioptra_ray.engine import JobCancelledError

Kind = Literal["cancelled", "timeout"]

_SIGNAL = signal.SIGUSR1


def _always() -> bool:
    return True


class Interrupter:
    """While entered (in the main thread), `interrupt` stops what runs there.

    Attributes:
        kind: Why it was interrupted; None while it was not.
    """

    def __init__(self) -> None:
        self.kind: Kind | None = None
        self._wanted: tuple[Kind, Callable[[], bool]] = ("cancelled", _always)
        self._armed = False
        self._previous: Any = None
        self._thread = 0

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(_SIGNAL, self._raise)
            self._thread = threading.get_ident()
            self._armed = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._armed:
            # A signal that is on its way finds the handler disarmed, and does nothing.
            self._armed = False
            signal.signal(_SIGNAL, signal.SIG_IGN)
            signal.signal(_SIGNAL, self._previous or signal.SIG_DFL)

    def interrupt(self, kind: Kind, applies: Callable[[], bool] = _always) -> None:
        """Stop the main thread's work; the first reason given stays.

        Args:
            kind: Why.
            applies: Asked in the main thread, which may have gone on meanwhile to what
                shall not be stopped.
        """
        self._wanted = kind, applies
        if self._armed:
            signal.pthread_kill(self._thread, _SIGNAL)
        elif self.kind is None:
            self.kind = kind

    def check(self) -> None:
        """Stop here if user code has swallowed its interruption."""
        if self.kind is not None:
            raise JobCancelledError(self.kind)

    def stop_here(self, kind: Kind) -> None:
        """Stop the main thread's work from the main thread itself."""
        self.kind = self.kind or kind
        self.check()

    def _raise(self, _signal: int, _frame: FrameType | None) -> None:
        kind, applies = self._wanted
        if self._armed and applies():
            self.stop_here(kind)
