"""Deleting what failed jobs keep for a retry, once it is old and no job needs it."""

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping

import sqlalchemy as sa
import structlog

from dioptra_controller.database.engine import Database
from dioptra_controller.database.job_tables import JOBS
from dioptra_controller.jobs.saved_stages import read_saved
from dioptra_controller.jobs.state import FINAL_STATES
from dioptra_ray.errors import DioptraError
from dioptra_ray.store import ArtifactStore
from dioptra_ray.store.saved_stages import list_saved

_log = structlog.get_logger("dioptra_controller.retention")

PAUSE_SECONDS = 3600.0
"""Between two looks at what is old."""

_LONGEST_IN = 500
_FINAL = JOBS.c.state.in_([state.value for state in FINAL_STATES])


class Retention:
    """Looks again and again; in threads, so that nothing ever waits for it.

    Args:
        database: Where the jobs are.
        store: Where the outputs are.
        keep: For how long after a job's end.
        now: The time of day.
        is_on_duty: Whether this controller looks, of those that share the database.
    """

    def __init__(
        self,
        database: Database,
        store: ArtifactStore,
        *,
        keep: dt.timedelta,
        now: Callable[[], dt.datetime],
        is_on_duty: Callable[[], bool] = lambda: True,
    ) -> None:
        self._database = database
        self._store = store
        self._keep = keep
        self._now = now
        self._is_on_duty = is_on_duty
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, with a first look at once."""
        self._task = asyncio.create_task(self._sweep_always(), name="retention")

    async def stop(self) -> None:
        """End; what is half done is done at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self) -> list[str]:
        """Delete what is too old, and return the keys.

        First nobody is offered it any more, then the bytes go: a retry that was made
        meanwhile finds out, and runs the stage again.
        """
        oldest = self._now() - self._keep
        await self._database.write(forget, oldest=oldest)
        stored = await asyncio.to_thread(lambda: {key: job for job, key in list_saved(self._store)})
        if not stored:
            return []
        old = await self._database.read(find_old, stored, oldest=oldest)
        for key in old:
            await asyncio.to_thread(self._store.delete_below, key)
        if old:
            _log.info("retention.deleted", stages=len(old))
        return old

    async def _sweep_always(self) -> None:
        while True:
            try:
                if self._is_on_duty():
                    await self.sweep()
            except DioptraError as error:
                _log.warning("retention.unavailable", message=error.message)
            except Exception:  # noqa: BLE001 - logged with its trace; the next look comes
                _log.exception("retention.crashed")
            await asyncio.sleep(min(PAUSE_SECONDS, self._keep.total_seconds()))


def forget(connection: sa.Connection, *, oldest: dt.datetime) -> None:
    """Let jobs that ended before `oldest` offer nothing any more."""
    connection.execute(
        sa.update(JOBS)
        .where(JOBS.c.saved_stages.is_not(None), JOBS.c.end_time < oldest)
        .values(saved_stages=None)
    )


def find_old(
    connection: sa.Connection, stored: Mapping[str, int], *, oldest: dt.datetime
) -> list[str]:
    """Those of the stored keys that no job offers or reuses, and whose own job is long over."""
    wanted = {
        saved.key
        for column, condition in (
            (JOBS.c.saved_stages, JOBS.c.saved_stages.is_not(None)),
            (JOBS.c.reused_stages, JOBS.c.reused_stages.is_not(None) & ~_FINAL),
        )
        for text in connection.execute(sa.select(column).where(condition)).scalars()
        for saved in read_saved(text)
    }
    owners = {key: job for key, job in stored.items() if key not in wanted}
    alive: set[int] = set()
    ids = sorted(set(owners.values()))
    for begin in range(0, len(ids), _LONGEST_IN):
        ended = _FINAL & (JOBS.c.end_time < oldest)
        query = sa.select(JOBS.c.id).where(JOBS.c.id.in_(ids[begin : begin + _LONGEST_IN]), ~ended)
        alive.update(connection.execute(query).scalars())
    return [key for key, owner in owners.items() if owner not in alive]
