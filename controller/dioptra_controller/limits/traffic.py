"""How often, how fast and how many at once each caller may call.

Nothing here is for those who may speak as runners, the token of the settings among them, with
which the embedded deployment and operators call: a runner that is slowed down loses its jobs.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dioptra_controller.access.caller import Caller
from dioptra_controller.limits.buckets import Buckets
from dioptra_ray.errors import ThrottledError

STREAM_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficLimits:
    """What each caller may; 0 means any number.

    Attributes:
        calls_per_second: Calls, of all kinds.
        changes_per_second: Calls that change something.
        upload_bytes_per_second: Bytes of requests; what is faster is slowed down.
        burst_seconds: For how many seconds' worth a caller may go faster than that.
        streams_per_caller: Calls with a stream that are under way at once.
        streams: The same of all callers together.
    """

    calls_per_second: float = 0
    changes_per_second: float = 0
    upload_bytes_per_second: float = 0
    burst_seconds: float = 10
    streams_per_caller: int = 0
    streams: int = 0


class Traffic:
    """The calls of all callers.

    Args:
        limits: What each may.
        clock: Seconds that never go back.
    """

    def __init__(
        self, limits: TrafficLimits, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._calls = self._buckets(limits.calls_per_second, clock)
        self._changes = self._buckets(limits.changes_per_second, clock)
        self._bytes = self._buckets(limits.upload_bytes_per_second, clock)
        self._streams: Counter[str] = Counter()

    def admit(self, caller: Caller, *, changes: bool) -> None:
        """Count a call.

        Raises:
            ThrottledError: There were too many lately; says when to try again.
        """
        if _is_trusted(caller):
            return
        if wait := self._calls.take(caller.subject):
            raise _too_fast("calls", self._limits.calls_per_second, wait)
        if changes and (wait := self._changes.take(caller.subject)):
            raise _too_fast("changes", self._limits.changes_per_second, wait)

    @contextmanager
    def streaming(self, caller: Caller) -> Iterator[None]:
        """Count a stream as long as it lasts.

        Raises:
            ThrottledError: There are too many already.
        """
        most, most_of_all = self._limits.streams_per_caller, self._limits.streams
        if not _is_trusted(caller):
            if most and self._streams[caller.subject] >= most:
                raise ThrottledError(
                    f"{caller.subject!r} has {most} streams open, which is the most that one "
                    "caller may have: close some, or share them",
                    retry_seconds=STREAM_RETRY_SECONDS,
                )
            if most_of_all and self._streams.total() >= most_of_all:
                raise ThrottledError(
                    f"{most_of_all} streams are open, which is the most that this controller "
                    "holds: try again later",
                    retry_seconds=STREAM_RETRY_SECONDS,
                )
        self._streams[caller.subject] += 1
        try:
            yield
        finally:
            self._streams[caller.subject] -= 1
            if not self._streams[caller.subject]:
                del self._streams[caller.subject]

    def charge(self, caller: Caller, size: int) -> float:
        """Count bytes that came; for how many seconds no more should be read."""
        return 0.0 if _is_trusted(caller) else self._bytes.charge(caller.subject, size)

    def _buckets(self, rate: float, clock: Callable[[], float]) -> Buckets:
        # Whoever may call once in a while may call at all.
        return Buckets(rate, max(1.0, rate * self._limits.burst_seconds), clock)


def _is_trusted(caller: Caller) -> bool:
    return caller.is_runner


def _too_fast(what: str, rate: float, wait: float) -> ThrottledError:
    return ThrottledError(
        f"too many {what}: at most {rate:g} a second are taken from one caller; "
        f"try again in {wait:.1f} s",
        retry_seconds=wait,
    )
