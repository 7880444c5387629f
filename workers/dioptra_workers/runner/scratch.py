"""Removes what attempts leave in the store's scratch space.

An attempt's folder goes when the attempt has ended, whatever became of it. What cannot be
removed then, or belongs to an attempt whose runner has died, is swept away later; so that
this never hits what is still needed, the folders of attempts that run are refreshed.
"""

import asyncio
import functools
import logging
from collections.abc import Callable

from dioptra_ray.errors import DioptraError
from dioptra_ray.store import ArtifactStore, open_store, refresh, scratch_folder, sweep
from dioptra_workers.runner.orders import LeaseKey

PAUSE = 4 * 3600.0
"""Seconds between two sweeps; a folder is swept away after a day without a refresh."""

log = logging.getLogger(__name__)


class ScratchKeeper:
    """Keeps the scratch space of a runner's attempts, and no longer than they last."""

    def __init__(self, store_url: str, *, pause: float = PAUSE) -> None:
        """Prepare; nothing is contacted before `start`."""
        self._url = store_url
        self._pause = pause
        self._running: set[LeaseKey] = set()
        self._removing: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to sweep, at once and now and then."""
        self._sweeping = asyncio.create_task(self._sweep_always(), name="scratch")

    def begun(self, lease: LeaseKey) -> None:
        """An attempt has begun that may store something."""
        self._running.add(lease)

    def ended(self, lease: LeaseKey) -> None:
        """It has ended; what it has stored is removed meanwhile."""
        self._running.discard(lease)
        task = asyncio.create_task(self._do("remove scratch files", self._remove, lease))
        self._removing.add(task)
        task.add_done_callback(self._removing.discard)

    async def close(self) -> None:
        """Wait until everything that was to be removed is."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        await asyncio.gather(*self._removing)

    async def _sweep_always(self) -> None:
        while True:
            await self._do("sweep scratch files", self._sweep, tuple(self._running))
            await asyncio.sleep(self._pause)

    async def _do(self, what: str, call: Callable[..., None], *arguments: object) -> None:
        try:
            await asyncio.to_thread(call, *arguments)
        except DioptraError as error:
            log.warning("Cannot %s: %s It is tried again later.", what, error)

    def _remove(self, lease: LeaseKey) -> None:
        self._store.delete_below(scratch_folder(*lease))

    def _sweep(self, running: tuple[LeaseKey, ...]) -> None:
        store = self._store
        for lease in running:
            refresh(store, scratch_folder(*lease))
        for folder in sweep(store):
            log.info("Removed %s, which nobody needs any more.", folder)

    @functools.cached_property
    def _store(self) -> ArtifactStore:
        return open_store(self._url)
