"""Token buckets, one for each caller: so much at once, and so much a second after that. Pure."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MOST_CALLERS: Final = 10_000


class Buckets:
    """The buckets of all callers for one kind of thing.

    A caller that is not remembered has a full bucket; the longest idle are forgotten first.

    Args:
        rate: How many a second flow in; 0 means that there is no limit.
        burst: How many a bucket holds.
        clock: Seconds that never go back.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        # By caller: how many were there, and when.
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> float:
        """Take one, or none; the seconds until there is one, 0 when it was taken."""
        if not self._rate:
            return 0.0
        level = self._level(caller)
        if level < 1.0:
            self._keep(caller, level)
            return (1.0 - level) / self._rate
        self._keep(caller, level - 1.0)
        return 0.0

    def charge(self, caller: str, amount: float) -> float:
        """Take what was used already, on credit; the seconds until the debt is paid."""
        if not self._rate:
            return 0.0
        level = self._level(caller) - amount
        self._keep(caller, level)
        return max(0.0, -level / self._rate)

    def _level(self, caller: str) -> float:
        now = self._clock()
        level, since = self._levels.get(caller, (self._burst, now))
        return min(self._burst, level + (now - since) * self._rate)

    def _keep(self, caller: str, level: float) -> None:
        self._levels[caller] = (level, self._clock())
        self._levels.move_to_end(caller)
        if len(self._levels) > MOST_CALLERS:
            self._levels.popitem(last=False)
