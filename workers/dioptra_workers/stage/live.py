"""What goes on beside the main thread while a stage runs: delivery, and being stopped.

A short stage returns everything in its report and never gets here. A longer one delivers
what it said every quarter of a second, and the answer says whether it shall stop.
"""

import contextlib
import functools
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
TIMEOUT_MARK = "The stage did not stop at its timeout; its process was killed."


@dataclass(frozen=True, slots=True)
class _Limit:
    """When something must have ended; each is its own."""

    deadline: float


class LiveFeed:
    """What is done beside one stage; while entered, a thread of the process attends to it."""

    def __init__(
        self,
        journal: Journal,
        interrupter: Interrupter,
        push: Push | None,
        *,
        timeout: float | None = None,
        step_timeouts: Mapping[str, float] | None = None,
    ) -> None:
        self._journal = journal
        self._interrupter = interrupter
        self._push = push
        self._step_timeouts = step_timeouts or {}
        now = time.monotonic()
        self._stage_limit = None if timeout is None else _Limit(now + timeout)
        # Written by the main thread, without a lock: an interruption could leave one held.
        self._step_limit: _Limit | None = None
        self._is_needed = push is not None or timeout is not None or bool(step_timeouts)
        self.due = self._bounded(now, FIRST_AFTER)

    def __enter__(self) -> Self:
        if self._is_needed:
            _attendant().attend(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_needed:
            _attendant().leave()

    def step_started(self, step: str) -> None:
        """A step begins, and with it its time."""
        seconds = self._step_timeouts.get(step)
        if seconds is not None:
            self._step_limit = _Limit(time.monotonic() + seconds)

    def step_finished(self) -> None:
        """It has ended; too late is too late, even if nobody has noticed yet.

        Raises:
            JobCancelledError: It should have ended before.
        """
        limit, self._step_limit = self._step_limit, None
        self._interrupter.check()
        if limit is not None and time.monotonic() > limit.deadline:
            self._interrupter.stop_here("timeout")

    def tick(self) -> None:
        """Deliver, and stop what shall stop; due again a little later."""
        self.due = self._bounded(time.monotonic(), INTERVAL)
        if (kind := self._deliver()) is not None:
            self._interrupter.interrupt(kind)
        for limit in (self._stage_limit, self._step_limit):
            if limit is not None:
                self._enforce(limit)

    def _bounded(self, now: float, wait: float) -> float:
        limits = (self._stage_limit, self._step_limit)
        ends = (limit.deadline for limit in limits if limit and limit.deadline > now)
        return min([now + wait, *ends])

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

    def _holds(self, limit: _Limit) -> bool:
        return limit is self._stage_limit or limit is self._step_limit

    def _enforce(self, limit: _Limit) -> None:
        late = time.monotonic() - limit.deadline
        if late < 0:
            return
        self._interrupter.interrupt("timeout", lambda: self._holds(limit))
        if late > GRACE and self._holds(limit):
            # The step does not listen; the runner reads the journal of a killed process.
            self._journal.log("ERROR", __name__, TIMEOUT_MARK)
            os.kill(os.getpid(), signal.SIGKILL)


def get_ready() -> None:
    """Have the thread already that the first stage would start."""
    _attendant()


class _Attendant:
    """The one thread: starting one for each stage would cost more than a short stage."""

    def __init__(self) -> None:
        # Held while a tick goes on, so that `leave` returns only after it.
        self._changed = threading.Condition()
        self._feed: LiveFeed | None = None
        threading.Thread(target=self._run, name="dioptra-live", daemon=True).start()

    def attend(self, feed: LiveFeed) -> None:
        with self._changed:
            self._feed = feed
            self._changed.notify()

    def leave(self) -> None:
        with self._changed:
            self._feed = None

    def _run(self) -> None:
        with self._changed:
            while True:
                if self._feed is None:
                    self._changed.wait()
                elif (left := self._feed.due - time.monotonic()) > 0:
                    self._changed.wait(left)
                else:
                    # A full disk, say, must not end this thread for all later stages.
                    with contextlib.suppress(OSError):
                        self._feed.tick()


@functools.cache
def _attendant() -> _Attendant:
    return _Attendant()
