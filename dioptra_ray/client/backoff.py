"""How long to wait before trying again, and when to give up."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

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

    def wait(self) -> bool:
        """Wait before the next attempt; False, at once, when patience is at its end."""
        now = self.clock()
        if self._failing_since is None:
            self._failing_since = now
        left = self.patience - (now - self._failing_since)
        if left <= 0:
            return False
        self.failing()
        jittered = self._delay * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
        self.sleep(min(jittered, left))
        self._delay = min(self._delay * FACTOR, LONGEST_DELAY)
        return True
