"""How long to wait before trying again, and when to give up."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dioptra_ray.errors import DioptraError, ThrottledError

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
FACTOR = 2.0


@dataclass(slots=True, kw_only=True)
class Backoff:
    """Delays that grow while nothing works, with jitter so that clients spread out.

    Attributes:
        patience: Seconds without any success after which to give up.
        failing: Told whenever there is a reason to wait.
        working: Told of every success.
    """

    patience: float
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    failing: Callable[[], None] = lambda: None
    working: Callable[[], None] = lambda: None
    _delay: float = field(default=FIRST_DELAY, init=False)
    _failing_since: float | None = field(default=None, init=False)

    def succeeded(self) -> None:
        """Start over: the other side answered."""
        self._delay = FIRST_DELAY
        self._failing_since = None
        self.working()

    def wait(self, at_least: float = 0.0) -> bool:
        """Wait before the next attempt; False, at once, when patience is at its end.

        Args:
            at_least: Seconds that the other side, which did answer, asked for.
        """
        now = self.clock()
        if self._failing_since is None:
            self._failing_since = now
        left = self.patience - (now - self._failing_since)
        if left <= 0:
            return False
        if at_least:
            # Not all that were told the same at the same moment.
            self.sleep(at_least * random.uniform(1.0, 1.25))  # noqa: S311 - as below
            return True
        self.failing()
        jittered = self._delay * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
        self.sleep(min(jittered, left))
        self._delay = min(self._delay * FACTOR, LONGEST_DELAY)
        return True


def asked_of(error: DioptraError) -> float:
    """For how many seconds the other side asked to wait; 0 when it did not."""
    return error.retry_seconds if isinstance(error, ThrottledError) else 0.0
