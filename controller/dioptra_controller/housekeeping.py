"""Deleting from the database what is older than it has to be kept.

Again and again, and when asked for. Each transaction deletes a few thousand rows at most,
and whoever else wants to write goes in between.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import sqlalchemy as sa
import structlog

from dioptra_controller.database.engine import Database
from dioptra_controller.database.job_tables import JOB_EVENTS, JOB_LOGS, JOBS, METRICS, RUNNERS
from dioptra_controller.database.registry_tables import REQUESTS
from dioptra_controller.jobs import pruning
from dioptra_controller.jobs.state import JobState
from dioptra_ray.errors import DioptraError

PAUSE_SECONDS = 3600.0

_log = structlog.get_logger("dioptra_controller.housekeeping")


class KeepSettings(Protocol):
    """For how many seconds what is kept; 0 for ever."""

    @property
    def keep_logs_seconds(self) -> float:
        """What ended jobs said."""

    @property
    def keep_events_seconds(self) -> float:
        """The events of ended jobs."""

    @property
    def keep_jobs_seconds(self) -> float:
        """Ended jobs and sweeps with all that they have."""

    @property
    def keep_requests_seconds(self) -> float:
        """Request ids, and what they made."""

    @property
    def keep_runners_seconds(self) -> float:
        """Runners that are gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """How much was deleted: rows of each kind."""

    log_records: int = 0
    events: int = 0
    jobs: int = 0
    sweeps: int = 0
    request_ids: int = 0
    runners: int = 0

    def __str__(self) -> str:
        counts = (
            (field.name.replace("_", " "), getattr(self, field.name)) for field in fields(self)
        )
        return ", ".join(f"{count} {name}" for name, count in counts)


class Housekeeper:
    """Deletes what is too old.

    Args:
        database: Where it is.
        keep: What is too old.
        now: The time of day.
        connected: Ids of runners that are connected; None if nobody here knows, so that all
            are left alone.
        is_on_duty: Whether this controller does it, of those that share the database.
    """

    def __init__(
        self,
        database: Database,
        keep: KeepSettings,
        *,
        now: Callable[[], dt.datetime],
        connected: Callable[[], Sequence[str]] | None = None,
        is_on_duty: Callable[[], bool] = lambda: True,
    ) -> None:
        self._database = database
        self._keep = keep
        self._now = now
        self._connected = connected
        self._is_on_duty = is_on_duty
        # By table: nothing is left to delete of the jobs up to this one.
        self._begin: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, with a first look at once."""
        self._task = asyncio.create_task(self._clean_always(), name="housekeeping")

    async def stop(self) -> None:
        """End; what is left is deleted after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def clean(self) -> Deleted:
        """Delete what is too old now.

        Raises:
            UnavailableError: The database does not answer; some may be deleted.
        """
        keep = self._keep
        deleted = Deleted(
            log_records=await self._walk(JOB_LOGS, keep.keep_logs_seconds),
            events=await self._walk(JOB_EVENTS, keep.keep_events_seconds),
            jobs=await self._walk(JOBS, keep.keep_jobs_seconds),
            sweeps=await self._repeat(pruning.delete_sweeps, keep.keep_jobs_seconds),
            request_ids=await self._repeat(_delete_requests, keep.keep_requests_seconds),
            runners=await self._delete_runners(keep.keep_runners_seconds),
        )
        if deleted != Deleted():
            _log.info("housekeeping.deleted", what=str(deleted))
        return deleted

    def _oldest(self, seconds: float) -> dt.datetime | None:
        return self._now() - dt.timedelta(seconds=seconds) if seconds else None

    async def _walk(self, what: sa.Table, seconds: float) -> int:
        oldest = self._oldest(seconds)
        if oldest is None:
            return 0
        deleted = 0
        begin = self._begin.get(what.name, 0)
        after: int | None = begin
        while after is not None:
            page = await self._database.read(pruning.find, what, after, oldest=oldest)
            if page.ids and what is JOBS:
                for table in (JOB_LOGS, JOB_EVENTS, METRICS):
                    await self._empty(table, page.ids)
                deleted += await self._database.write(pruning.delete_jobs, page.ids, oldest=oldest)
            elif page.ids:
                deleted += await self._empty(what, page.ids)
            if begin == after:
                begin = page.done_id
            after = page.next_id
        if what is not JOBS:  # of which some are kept for now
            self._begin[what.name] = begin
        return deleted

    async def _empty(self, what: sa.Table, ids: Sequence[int]) -> int:
        deleted = count = await self._database.write(pruning.delete_rows, what, ids)
        while count == pruning.BATCH:
            count = await self._database.write(pruning.delete_rows, what, ids)
            deleted += count
        return deleted

    async def _repeat(self, delete: Callable[..., int], seconds: float) -> int:
        oldest = self._oldest(seconds)
        deleted = 0
        while oldest is not None and (count := await self._database.write(delete, oldest=oldest)):
            deleted += count
        return deleted

    async def _delete_runners(self, seconds: float) -> int:
        oldest = self._oldest(seconds)
        if oldest is None or self._connected is None:
            return 0
        return await self._database.write(_delete_runners, self._connected(), oldest=oldest)

    async def _clean_always(self) -> None:
        while True:
            try:
                if self._is_on_duty():
                    await self.clean()
            except DioptraError as error:
                _log.warning("housekeeping.unavailable", message=error.message)
            except Exception:  # noqa: BLE001 - logged with its trace; the next look comes
                _log.exception("housekeeping.crashed")
            await asyncio.sleep(PAUSE_SECONDS)


def _delete_requests(connection: sa.Connection, *, oldest: dt.datetime) -> int:
    old = sa.select(REQUESTS.c.request_id).where(REQUESTS.c.create_time < oldest)
    some = old.limit(pruning.BATCH)
    return int(
        connection.execute(sa.delete(REQUESTS).where(REQUESTS.c.request_id.in_(some))).rowcount
    )


def _delete_runners(
    connection: sa.Connection, connected: Sequence[str], *, oldest: dt.datetime
) -> int:
    """Delete runners that nobody has seen since `oldest`, and that hold nothing."""
    holds = sa.exists().where(
        JOBS.c.state == JobState.STARTED.value, JOBS.c.runner_id == RUNNERS.c.runner_id
    )
    statement = sa.delete(RUNNERS).where(
        sa.func.coalesce(RUNNERS.c.seen_time, RUNNERS.c.connect_time) < oldest,
        RUNNERS.c.runner_id.not_in(sorted(connected)),
        ~holds,
    )
    return int(connection.execute(statement).rowcount)
