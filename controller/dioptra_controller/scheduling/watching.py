"""Who waits for which change: woken by commits, never by polling."""

import asyncio
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from dioptra_ray.errors import UnavailableError


class Signal(asyncio.Event):
    """An event that comes with news.

    Attributes:
        news: What the latest change was said to be; None if nothing was said.
        is_over: Whether nothing will come any more, as the controller stops.
    """

    news: Any = None
    is_over = False

    async def wait(self) -> Literal[True]:
        """Wait for the next change.

        Raises:
            UnavailableError: There will be none, here: whoever watches should ask again.
        """
        if not self.is_over:
            await super().wait()
        if self.is_over:
            raise UnavailableError("the controller is stopping; ask again")
        return True


class Watchers:
    """Watchers by what they watch; to be used from one event loop."""

    def __init__(self) -> None:
        self._signals: dict[Hashable, set[Signal]] = {}
        self._is_over = False

    @contextmanager
    def watch(self, key: Hashable) -> Iterator[Signal]:
        """Get an event that is set at every change.

        Clear it, then read, then wait: a change between the reading and the waiting has set
        it again.
        """
        signal = Signal()
        signal.is_over = self._is_over
        self._signals.setdefault(key, set()).add(signal)
        try:
            yield signal
        finally:
            signals = self._signals[key]
            signals.discard(signal)
            if not signals:
                del self._signals[key]

    def wake(self, key: Hashable, news: Any = None) -> None:
        """Tell everybody who watches `key`."""
        for signal in self._signals.get(key, ()):
            signal.news = news
            signal.set()

    def wake_all(self) -> None:
        """Tell everybody to look again; what was said to them before stays."""
        for signals in self._signals.values():
            for signal in signals:
                signal.set()

    def close(self) -> None:
        """Send everybody away who waits, and whoever is still to come."""
        self._is_over = True
        for signals in self._signals.values():
            for signal in signals:
                signal.is_over = True
                signal.set()
