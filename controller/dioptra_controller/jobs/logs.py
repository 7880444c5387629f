"""What jobs said, line by line."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dioptra_controller import paging
from dioptra_controller.access.checks import is_visible
from dioptra_controller.database.job_tables import JOB_LOGS, JOBS
from dioptra_controller.jobs.belonging import not_found
from dioptra_controller.jobs.reports import LEVELS
from dioptra_controller.jobs.state import JobState
from dioptra_ray.errors import InvalidRequestError, OutOfRangeError

DEFAULT_PAGE = 1000
MAX_PAGE = 10_000
BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One line that a job said; `level` is a number as in Python's logging."""

    sequence: int
    time: dt.datetime
    level: int
    logger: str
    step: str
    message: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogBatch:
    """Some records, and whether nothing can come after them."""

    records: tuple[LogRecord, ...]
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Which records to list: of a step, of a level and above; empty means all."""

    step: str = ""
    level: str = ""


def list_page(
    connection: sa.Connection, job_id: int, page: paging.PageRequest, wanted: LogFilter
) -> paging.Page[LogRecord]:
    """One page of the records of a job, in order.

    Raises:
        NotFoundError: There is no such job.
        InvalidRequestError: No such level, or a page token of another query.
        OutOfRangeError: The records were deleted.
    """
    _, newest = _get_state(connection, job_id)
    size = paging.page_size(page.size, default=DEFAULT_PAGE, most=MAX_PAGE)
    bound = ("logs", job_id, wanted.step, wanted.level)
    after = paging.decode(page.token, *bound)
    begin = after[0] if after else 0
    query = _query(job_id, begin).limit(size + 1)
    _check_kept(connection, job_id, begin, newest)
    if wanted.step:
        query = query.where(JOB_LOGS.c.step == wanted.step)
    if wanted.level:
        query = query.where(JOB_LOGS.c.level >= _read_level(wanted.level))
    rows = [_read(row) for row in connection.execute(query)]
    return paging.slice_page(rows, size, *bound, key=lambda row: [row.sequence])


def read_after(connection: sa.Connection, job_id: int, after: int) -> LogBatch:
    """The records after a sequence number, at most `BATCH` of them.

    Raises:
        NotFoundError: There is no such job.
        OutOfRangeError: `after` is beyond the newest record, or what follows it was deleted.
    """
    # The state first: what is committed between the two reads may only add records.
    state, newest = _get_state(connection, job_id)
    if not 0 <= after <= newest:
        raise OutOfRangeError(
            f"job {job_id} has {newest} log records, but those after {after} were asked for"
        )
    rows = connection.execute(_query(job_id, after).limit(BATCH))
    records = tuple(_read(row) for row in rows)
    if not records or records[0].sequence != after + 1:
        _check_kept(connection, job_id, after, newest)
    reached = records[-1].sequence if records else after
    return LogBatch(records=records, is_last=state.is_final and reached >= newest)


def _get_state(connection: sa.Connection, job_id: int) -> tuple[JobState, int]:
    columns = (JOBS.c.state, JOBS.c.last_log, JOBS.c.group_name)
    row = connection.execute(sa.select(*columns).where(JOBS.c.id == job_id)).one_or_none()
    if row is None or not is_visible(row.group_name):
        raise not_found(job_id)
    return JobState(row.state), row.last_log


def _check_kept(connection: sa.Connection, job_id: int, after: int, newest: int) -> None:
    """Whether the record after this one is still there, if there was one."""
    if after >= newest:
        return
    query = sa.select(JOB_LOGS.c.sequence).where(
        JOB_LOGS.c.job_id == job_id, JOB_LOGS.c.sequence == after + 1
    )
    if connection.execute(query).one_or_none() is None:
        raise OutOfRangeError(
            f"the log of job {job_id} after record {after} was deleted, because the job ended "
            "long ago (keep_logs_seconds of the controller)",
            job=str(job_id),
        )


def _query(job_id: int, after: int) -> sa.Select[Any]:
    return (
        sa.select(JOB_LOGS)
        .where(JOB_LOGS.c.job_id == job_id, JOB_LOGS.c.sequence > after)
        .order_by(JOB_LOGS.c.sequence)
    )


def _read_level(name: str) -> int:
    try:
        return LEVELS[name.upper()]
    except KeyError:
        raise InvalidRequestError(f"level is {name!r}; use one of {', '.join(LEVELS)}") from None


def _read(row: Any) -> LogRecord:
    return LogRecord(
        sequence=row.sequence,
        time=row.time,
        level=row.level,
        logger=row.logger,
        step=row.step,
        message=row.message,
        attempt=row.attempt,
    )
