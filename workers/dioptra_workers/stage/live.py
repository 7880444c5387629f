"""What goes on beside the main thread while a stage runs: delivery, and being stopped.

A short stage returns everything in its report and never gets here. A longer one delivers
what it said every quarter of a second, and the answer says whether it shall stop.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from dioptra_workers.stage.events import Event
from dioptra_workers.stage.interrupt import Interrupter, Kind
from dioptra_workers.stage.journal import Journal

Push = Callable[[int, tuple[Event, ...]], Kind | None]
"""Delivers events from an index on; says whether, and why, the stage shall stop."""

FIRST_AFTER = 0.2
INTERVAL = 0.25
GRACE = 1.0


class LiveFeed:
    """A thread that lives as long as the stage's steps run."""

    def __init__(
        self,
        journal: Journal,
        interrupter: Interrupter,
        push: Push | None,
        timeout: float | None = None,
    ) -> None:
        self._journal = journal
        self._interrupter = interrupter
        self._push = push
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dioptra-live", daemon=True)

    def __enter__(self) -> Self:
        if self._push is not None or self._deadline is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        wait = FIRST_AFTER
        while not self._stop.wait(self._until_deadline(wait)):
            wait = INTERVAL
            if (kind := self._deliver()) is not None:
                self._interrupter.interrupt(kind)
            self._enforce_deadline()

    def _deliver(self) -> Kind | None:
        if self._push is None:
            return None
        first, events = self._journal.pending()
        try:
            stop = self._push(first, events)
        except Exception:  # noqa: BLE001 - the sink may be gone; the report then carries all
            return None
        self._journal.delivered(first + len(events))
        return stop

    def _until_deadline(self, wait: float) -> float:
        if self._deadline is None:
            return wait
        left = self._deadline - time.monotonic()
        return min(wait, left) if left > 0 else wait

    def _enforce_deadline(self) -> None:
        if self._deadline is None or time.monotonic() < self._deadline:
            return
        self._interrupter.interrupt("timeout")
        if time.monotonic() > self._deadline + GRACE:
            # The step does not listen; the runner reads the journal of a killed process.
            self._journal.log("ERROR", __name__, TIMEOUT_MARK)
            os.kill(os.getpid(), signal.SIGKILL)


TIMEOUT_MARK = "The stage did not stop at its timeout; its process was killed."
