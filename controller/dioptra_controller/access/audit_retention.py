"""Deleting audit records that are older than they have to be kept; a few at a time."""

import asyncio
import datetime as dt

import sqlalchemy
import structlog

from dioptra_controller.database.access_tables import AUDIT_RECORDS
from dioptra_controller.database.engine import Database
from dioptra_ray.errors import DioptraError

PAUSE_SECONDS = 3600.0
BATCH = 1000

_log = structlog.get_logger("dioptra_controller.audit")


class AuditRetention:
    """Looks again and again.

    Args:
        database: Where the records are.
        keep: For how long.
    """

    def __init__(self, database: Database, *, keep: dt.timedelta) -> None:
        self._database = database
        self._keep = keep
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, with a first look at once."""
        self._task = asyncio.create_task(self._sweep_always(), name="audit-retention")

    async def stop(self) -> None:
        """End; what is left is deleted after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self, now: dt.datetime) -> int:
        """Delete what is too old, and return how many records that were."""
        deleted = count = await self._database.write(forget, oldest=now - self._keep)
        while count == BATCH:
            count = await self._database.write(forget, oldest=now - self._keep)
            deleted += count
        return deleted

    async def _sweep_always(self) -> None:
        while True:
            try:
                await self.sweep(dt.datetime.now(dt.UTC))
            except DioptraError as error:
                _log.warning("audit.not_forgotten", message=error.message)
            except Exception:  # noqa: BLE001 - logged with its trace; the next look comes
                _log.exception("audit.crashed")
            await asyncio.sleep(PAUSE_SECONDS)


def forget(connection: sqlalchemy.Connection, *, oldest: dt.datetime) -> int:
    """Delete some of the records from before `oldest`; returns how many."""
    table = AUDIT_RECORDS
    old = sqlalchemy.select(table.c.id).where(table.c.time < oldest)
    old = old.order_by(table.c.time).limit(BATCH)
    return int(connection.execute(table.delete().where(table.c.id.in_(old))).rowcount)
