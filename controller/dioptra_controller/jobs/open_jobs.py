"""Jobs inside a transaction: how their changing columns are read and written back."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from dioptra_controller.database.job_tables import JOBS
from dioptra_controller.database.prepared import Prepared
from dioptra_controller.jobs.events import Progress
from dioptra_controller.jobs.reports import Failure
from dioptra_controller.jobs.saved_stages import SavedStage, write_saved
from dioptra_controller.jobs.state import JobLife, JobState
from dioptra_controller.jobs.steps import StepStatus, read_steps, write_steps
from dioptra_controller.jobs.waits import describe_waits, read_waits, write_waits

_COLUMNS = (
    JOBS.c.id,
    JOBS.c.state,
    JOBS.c.attempt,
    JOBS.c.runner_id,
    JOBS.c.cancel_requested,
    JOBS.c.timeout_seconds,
    JOBS.c.steps,
    JOBS.c.waits,
    JOBS.c.start_time,
    JOBS.c.deadline,
    JOBS.c.sweep_id,
    JOBS.c.last_event,
    JOBS.c.last_log,
)
_CHANGING = (
    "state",
    "attempt",
    "runner_id",
    "cancel_requested",
    "deadline",
    "steps",
    "waits",
    "failure",
    "artifacts",
    "saved_stages",
    "start_time",
    "end_time",
    "end_sequence",
    "last_event",
    "last_log",
)
_SELECT = sa.select(*_COLUMNS).order_by(JOBS.c.id).with_for_update()
_BY_ID = _SELECT.where(JOBS.c.id.in_(sa.bindparam("ids", expanding=True)))
_ONE = Prepared(_SELECT.where(JOBS.c.id == sa.bindparam("job_id")))
_UPDATE = Prepared(
    sa.update(JOBS)
    .where(JOBS.c.id == sa.bindparam("job_id"))
    .values({name: sa.bindparam(f"new_{name}") for name in _CHANGING})
)


_INSERT = Prepared(sa.insert(JOBS).returning(JOBS.c.id))


@dataclass(slots=True, kw_only=True)
class OpenJob:
    """A job that this transaction may change; only the ledger changes it."""

    id: int
    life: JobLife
    timeout_seconds: float
    sweep_id: int | None = None
    steps: dict[str, StepStatus] = field(default_factory=dict)
    waits: dict[str, str] = field(default_factory=dict)
    start_time: dt.datetime | None = None
    end_time: dt.datetime | None = None
    deadline: dt.datetime | None = None
    failure: Failure | None = None
    artifacts: tuple[int, ...] = ()
    saved_stages: tuple[SavedStage, ...] = ()
    end_sequence: int | None = None
    last_event: int = 0
    last_log: int = 0

    def progress(self) -> Progress:
        """What changes about it, as it is now."""
        return Progress(
            state=self.life.state,
            attempt=self.life.attempt,
            steps=self.steps,
            start_time=self.start_time,
            end_time=self.end_time,
            failure=self.failure,
            artifacts=self.artifacts,
            saved_stages=tuple(saved.stage for saved in self.saved_stages),
            reason=describe_waits(self.waits),
        )


def read(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[OpenJob]:
    """Lock and read the jobs of a condition, by id."""
    return [_read_row(row) for row in connection.execute(_SELECT.where(condition))]


def read_by_id(connection: sa.Connection, ids: Sequence[int]) -> list[OpenJob]:
    """Lock and read jobs; those that do not exist are left out."""
    if len(ids) == 1:
        rows = _ONE.all(connection, {"job_id": ids[0]})
    else:
        rows = connection.execute(_BY_ID, {"ids": ids}).all()
    return [_read_row(row) for row in rows]


def write(connection: sa.Connection, jobs: Iterable[OpenJob]) -> None:
    """Write the changing columns of at least one job."""
    _UPDATE.run(connection, *map(_write_row, jobs))


def insert(connection: sa.Connection, job: OpenJob, row: Mapping[str, Any]) -> int:
    """Insert a job that has just begun, with the columns that never change; return its id."""
    values = {
        **row,
        "state": job.life.state.value,
        "attempt": job.life.attempt,
        "runner_id": job.life.runner_id,
        "cancel_requested": False,
        "start_time": job.start_time,
        "deadline": job.deadline,
        "last_event": job.last_event,
        "last_log": 0,
    }
    return int(_INSERT.first(connection, values).id)


def _read_row(row: Any) -> OpenJob:
    life = JobLife(
        state=JobState(row.state),
        attempt=row.attempt,
        runner_id=row.runner_id,
        cancel_requested=row.cancel_requested,
    )
    return OpenJob(
        id=row.id,
        life=life,
        timeout_seconds=row.timeout_seconds,
        sweep_id=row.sweep_id,
        steps=read_steps(row.steps),
        waits=read_waits(row.waits),
        start_time=row.start_time,
        deadline=row.deadline,
        last_event=row.last_event,
        last_log=row.last_log,
    )


def _write_row(job: OpenJob) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "new_state": job.life.state.value,
        "new_attempt": job.life.attempt,
        "new_runner_id": job.life.runner_id,
        "new_cancel_requested": job.life.cancel_requested,
        "new_deadline": job.deadline,
        "new_steps": write_steps(job.steps),
        "new_waits": write_waits(job.waits),
        "new_failure": job.failure and json.dumps(job.failure.to_json()),
        "new_artifacts": json.dumps(job.artifacts) if job.artifacts else None,
        "new_saved_stages": write_saved(job.saved_stages),
        "new_start_time": job.start_time,
        "new_end_time": job.end_time,
        "new_end_sequence": job.end_sequence,
        "new_last_event": job.last_event,
        "new_last_log": job.last_log,
    }
