"""Results of a sweep: one row a trial, whether it has a job yet or not."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from dioptra_controller import paging
from dioptra_controller.database.job_tables import JOBS
from dioptra_controller.jobs import metrics
from dioptra_controller.jobs.state import JobState
from dioptra_controller.jobs.steps import first_start
from dioptra_controller.sweeps import records
from dioptra_controller.sweeps.records import SweepRecord
from dioptra_controller.sweeps.space import Space
from dioptra_controller.sweeps.spaces import Spaces

DEFAULT_PAGE = 1000
MAX_PAGE = 10_000
BATCH = 1000
_LONGEST_IN = 500
_COLUMNS = (
    JOBS.c.id,
    JOBS.c.trial,
    JOBS.c.state,
    JOBS.c.start_time,
    JOBS.c.end_time,
    JOBS.c.steps,
    JOBS.c.failure,
    JOBS.c.artifacts,
    JOBS.c.end_sequence,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """One trial; the fields are those of the proto message.

    Attributes:
        job_id: None while it has no job.
        state: None likewise, unless the sweep was cancelled before.
    """

    trial: int
    job_id: int | None = None
    state: JobState | None = None
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float] = field(default_factory=dict)
    duration_seconds: float = 0.0
    error: str = ""
    artifacts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepNews:
    """A sweep, and the trials that ended since the last news.

    Attributes:
        end_sequence: How many trials that ended were told so far.
        is_last: Whether nothing can come after this.
    """

    sweep: SweepRecord
    ended: tuple[TrialResult, ...]
    end_sequence: int
    is_last: bool


def list_page(
    connection: sa.Connection, sweep_id: int, page: paging.PageRequest, spaces: Spaces
) -> paging.Page[TrialResult]:
    """One page of rows, sorted by trial.

    Raises:
        NotFoundError: There is no such sweep.
        InvalidRequestError: The page token is of another query.
    """
    sweep = records.get(connection, sweep_id, spaces)
    size = paging.page_size(page.size, default=DEFAULT_PAGE, most=MAX_PAGE)
    after = paging.decode(page.token, "results", sweep_id)
    first = after[0] + 1 if after else 0
    trials = range(first, min(first + size, sweep.size))
    query = sa.select(*_COLUMNS).where(
        JOBS.c.sweep_id == sweep_id, JOBS.c.trial >= trials.start, JOBS.c.trial < trials.stop
    )
    space = spaces.get(connection, sweep_id)
    made = {row.trial: row for row in _read(connection, connection.execute(query).all(), space)}
    unmade = JobState.CANCELLED if sweep.cancel_requested else None
    rows = tuple(
        made.get(trial) or TrialResult(trial=trial, state=unmade, parameters=space.point(trial))
        for trial in trials
    )
    more = trials.stop < sweep.size
    token = paging.encode([trials.stop - 1], "results", sweep_id) if more else ""
    return paging.Page(rows=rows, next_token=token)


def read_news(connection: sa.Connection, sweep_id: int, after: int, spaces: Spaces) -> SweepNews:
    """The sweep as it is, and the trials that ended after the first `after` ones.

    Raises:
        NotFoundError: There is no such sweep.
    """
    # The sweep first: what is committed between the two reads may only add ended trials.
    sweep = records.get(connection, sweep_id, spaces)
    query = (
        sa.select(*_COLUMNS)
        .where(JOBS.c.sweep_id == sweep_id, JOBS.c.end_sequence > after)
        .order_by(JOBS.c.end_sequence)
        .limit(BATCH)
    )
    rows = connection.execute(query).all()
    told = rows[-1].end_sequence if rows else after
    ended = _read(connection, rows, spaces.get(connection, sweep_id))
    is_last = sweep.is_final and told >= sweep.ended
    return SweepNews(sweep=sweep, ended=tuple(ended), end_sequence=told, is_last=is_last)


def _read(connection: sa.Connection, rows: Sequence[Any], space: Space) -> Iterable[TrialResult]:
    values: dict[int, dict[str, float]] = {}
    ids = [row.id for row in rows]
    for begin in range(0, len(ids), _LONGEST_IN):
        values |= metrics.newest(connection, ids[begin : begin + _LONGEST_IN])
    return [_result(row, space, values.get(row.id, {})) for row in rows]


def _result(row: Any, space: Space, values: Mapping[str, float]) -> TrialResult:
    duration = 0.0
    if row.start_time is not None and row.end_time is not None:
        # The time between its lease and its first step it has only waited for a process.
        began = first_start(row.steps) or row.start_time
        duration = (row.end_time - began).total_seconds()
    return TrialResult(
        trial=row.trial,
        job_id=row.id,
        state=JobState(row.state),
        parameters=space.point(row.trial),
        metrics=values,
        duration_seconds=duration,
        error=_describe(json.loads(row.failure)) if row.failure else "",
        artifacts=tuple(json.loads(row.artifacts)) if row.artifacts else (),
    )


def _describe(failure: Mapping[str, Any]) -> str:
    """One line that says why a trial failed."""
    parts = [failure["step"], failure["error_type"], failure["message"] or failure["reason"]]
    return ": ".join(" ".join(part.split()) for part in parts if part)
