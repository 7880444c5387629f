"""Deleting from the store what nobody needs; again and again, and when asked for."""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator
from itertools import islice

import structlog

from dioptra_controller.artifacts import garbage, residence
from dioptra_controller.artifacts.garbage import Garbage
from dioptra_controller.database.engine import Database
from dioptra_ray.errors import DioptraError, InvalidRequestError, NotFoundError, PreconditionError
from dioptra_ray.store import ArtifactStore
from dioptra_ray.store.inventory import Kind, Stored

_log = structlog.get_logger("dioptra_controller.garbage")

SHORTEST_GRACE = dt.timedelta(hours=1)


class Collector:
    """Looks at all of the store; in threads, so that nothing ever waits for it.

    A store that two databases share would lose what only the other one knows. So the first
    one that collects puts its mark into the store, and no other one deletes anything there.

    Args:
        database: What is needed.
        store: What there is.
        grace: What is younger is left alone.
        now: The time of day.
        is_on_duty: Whether this controller looks, of those that share the database.
    """

    def __init__(
        self,
        database: Database,
        store: ArtifactStore,
        *,
        grace: dt.timedelta,
        now: Callable[[], dt.datetime],
        is_on_duty: Callable[[], bool] = lambda: True,
    ) -> None:
        self._database = database
        self._store = store
        self._grace = grace
        self._now = now
        self._is_on_duty = is_on_duty
        self._task: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    def start(self, pause: dt.timedelta) -> None:
        """Collect every so often; the first time after a pause."""
        self._task = asyncio.create_task(self._collect_always(pause), name="garbage")

    async def stop(self) -> None:
        """End; what was not deleted is found again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def collect(
        self, *, dry_run: bool = False, grace: dt.timedelta | None = None
    ) -> list[Garbage]:
        """Delete what nobody needs and return it; or only find it.

        Raises:
            InvalidRequestError: The grace time is too short to spare what is under way.
            PreconditionError: The store belongs to another database.
            UnavailableError: The store or the database cannot be reached.
        """
        if grace is not None and grace < SHORTEST_GRACE:
            raise InvalidRequestError(
                "the grace time must be an hour or more: what is younger may still be under way"
            )
        async with self._one_at_a_time:
            oldest = (self._now() - (self._grace if grace is None else grace)).timestamp()
            stock = self._old(oldest)
            found: list[Garbage] = []
            while batch := await asyncio.to_thread(lambda: list(islice(stock, garbage.BATCH))):
                judged = await self._database.read(garbage.judge, batch, self._folder_of)
                if judged and not dry_run:
                    await self._claim()
                    judged = await self._delete(judged)
                found += judged
        if found and not dry_run:
            _log.info(
                "garbage.deleted",
                pieces=len(found),
                size=sum(one.stored.size for one in found),
            )
        return found

    def _old(self, oldest: float) -> Iterator[Stored]:
        return (stored for stored in self._store.take_stock() if stored.modified < oldest)

    def _folder_of(self, key: str) -> str:
        try:
            return self._store.upload_folder(key)
        except NotFoundError:
            return ""

    async def _delete(self, judged: list[Garbage]) -> list[Garbage]:
        gone = []
        for one in judged:
            if one.stored.kind is not Kind.BUNDLE:
                await asyncio.to_thread(self._store.remove, one.stored)
            elif not await self._delete_bundle(one.stored):
                continue
            gone.append(one)
        purged = [one.stored.key for one in gone if one.deleted_artifact]
        if purged:
            await self._database.write(garbage.mark_purged, purged, self._now())
        return gone

    async def _delete_bundle(self, stored: Stored) -> bool:
        """Delete a bundle, unless the same plugin is being registered just now.

        Who registers a plugin writes the bundle, then its row, and then sees whether the
        bundle is still there (`rpc.archives.keep_stored`). Whoever of the two looks last
        puts it back.
        """
        content = await asyncio.to_thread(self._store.get_blob, stored.key)
        await asyncio.to_thread(self._store.remove, stored)
        if await self._database.read(garbage.is_needed_bundle, stored.key):
            await asyncio.to_thread(self._store.put_blob, stored.key, content)
            return False
        return True

    async def _claim(self) -> None:
        """See that the store is this database's, or make it so."""
        mine = await self._database.read(residence.identify)
        owner = await asyncio.to_thread(self._store.claim, mine)
        if owner != mine:
            raise PreconditionError(
                f"the artifact store {self._store.url} belongs to another database, which may "
                "need what this one does not know; give each controller a store, or a prefix, "
                "of its own"
            )

    async def _collect_always(self, pause: dt.timedelta) -> None:
        while True:
            await asyncio.sleep(pause.total_seconds())
            try:
                if self._is_on_duty():
                    await self.collect()
            except DioptraError as error:
                _log.warning("garbage.unavailable", message=error.message)
            except Exception:  # noqa: BLE001 - logged with its trace; the next look comes
                _log.exception("garbage.crashed")
