"""Deleting what ended jobs have left, a few rows at a time.

Jobs are walked in the order of their ids, which is that of their creation: the walk ends at
the first page whose jobs are all too young to have ended before the cutoff, so no index but
the primary keys is needed. Whatever was half deleted is found again.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from dioptra_controller.database.job_tables import JOB_EVENTS, JOB_LOGS, JOBS, METRICS, SWEEPS
from dioptra_controller.database.registry_tables import ARTIFACTS, TAGS
from dioptra_controller.jobs.state import FINAL_STATES
from dioptra_controller.jobs.sweep_counts import SweepState

PAGE = 500
"""How many jobs are looked at in one transaction."""

BATCH = 2000
"""How many rows are deleted in one transaction."""

_FINAL = JOBS.c.state.in_(sorted(state.value for state in FINAL_STATES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some jobs, in the order of their ids.

    Attributes:
        ids: Those from which something is to be deleted.
        done_id: Up to this job, all will be done with once that is deleted.
        next_id: Where the next page begins; None if there is none.
    """

    ids: tuple[int, ...]
    done_id: int
    next_id: int | None


def find(connection: sa.Connection, what: sa.Table, after: int, *, oldest: dt.datetime) -> Page:
    """The next jobs that ended before `oldest` and have rows in a table of theirs.

    Args:
        connection: A transaction.
        what: JOB_LOGS or JOB_EVENTS; or JOBS, for jobs that can be deleted altogether.
        after: Jobs up to this one are left out.
        oldest: The time.
    """
    query = sa.select(JOBS.c.id, JOBS.c.create_time, JOBS.c.end_time).where(JOBS.c.id > after)
    rows = connection.execute(query.order_by(JOBS.c.id).limit(PAGE)).all()
    if not rows:
        return Page(ids=(), done_id=after, next_id=None)
    wanted = (
        sa.select(JOBS.c.id)
        .where(JOBS.c.id.in_([row.id for row in rows]), _FINAL, JOBS.c.end_time < oldest)
        .where(_is_deletable(oldest) if what is JOBS else _has_rows(what))
        .order_by(JOBS.c.id)
    )
    young = (row.id for row in rows if row.end_time is None or row.end_time >= oldest)
    is_last = len(rows) < PAGE or rows[0].create_time >= oldest
    return Page(
        ids=tuple(connection.execute(wanted).scalars()),
        done_id=next(young, rows[-1].id + 1) - 1,
        next_id=None if is_last else rows[-1].id,
    )


def delete_rows(connection: sa.Connection, what: sa.Table, ids: Iterable[int]) -> int:
    """Delete the oldest rows of these jobs from a table of theirs, at most `BATCH` of them.

    Returns:
        How many; less than `BATCH` if nothing is left.
    """
    left = BATCH
    for job_id in sorted(ids):
        keys = [column for column in what.primary_key.columns if column.name != "job_id"]
        key = keys[0] if len(keys) == 1 else sa.tuple_(*keys)
        oldest = sa.select(*keys).where(what.c.job_id == job_id).order_by(*keys).limit(left)
        statement = sa.delete(what).where(what.c.job_id == job_id, key.in_(oldest))
        left -= connection.execute(statement).rowcount
        if left <= 0:
            break
    return BATCH - left


def delete_jobs(connection: sa.Connection, ids: Iterable[int], *, oldest: dt.datetime) -> int:
    """Delete those of the jobs that can be deleted and have nothing left; returns how many."""
    emptied = (
        sa.select(JOBS.c.id)
        .where(JOBS.c.id.in_(sorted(ids)), _FINAL, _is_deletable(oldest))
        .where(*(~_has_rows(table) for table in (JOB_LOGS, JOB_EVENTS, METRICS)))
    )
    gone = list(connection.execute(emptied).scalars())
    connection.execute(sa.delete(TAGS).where(TAGS.c.kind == "job", TAGS.c.resource_id.in_(gone)))
    return int(connection.execute(sa.delete(JOBS).where(JOBS.c.id.in_(gone))).rowcount)


def delete_sweeps(connection: sa.Connection, *, oldest: dt.datetime) -> int:
    """Delete some sweeps that ended before `oldest` and have no jobs any more."""
    empty = (
        sa.select(SWEEPS.c.id)
        .where(
            SWEEPS.c.state != SweepState.STARTED.value,
            SWEEPS.c.end_time < oldest,
            ~sa.exists().where(JOBS.c.sweep_id == SWEEPS.c.id, JOBS.c.trial.is_not(None)),
        )
        .limit(PAGE)
    )
    return int(connection.execute(sa.delete(SWEEPS).where(SWEEPS.c.id.in_(empty))).rowcount)


def _is_deletable(oldest: dt.datetime) -> sa.ColumnElement[bool]:
    """Not what something else still tells about.

    An artifact says which job made it, a sweep says how all of its trials ended, and a failed
    job offers its finished stages for a while.
    """
    return sa.and_(
        ~sa.exists().where(ARTIFACTS.c.job_id == JOBS.c.id),
        ~sa.exists().where(
            SWEEPS.c.id == JOBS.c.sweep_id,
            sa.or_(SWEEPS.c.state == SweepState.STARTED.value, SWEEPS.c.end_time >= oldest),
        ),
        JOBS.c.saved_stages.is_(None),
    )


def _has_rows(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.exists().where(table.c.job_id == JOBS.c.id)
