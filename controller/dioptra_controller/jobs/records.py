"""Jobs as they are read: one by one, and as pages of many."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dioptra_controller import paging
from dioptra_controller.access import checks
from dioptra_controller.database.job_tables import JOBS
from dioptra_controller.database.prepared import Prepared
from dioptra_controller.jobs.belonging import not_found
from dioptra_controller.jobs.events import Progress
from dioptra_controller.jobs.open_jobs import OpenJob
from dioptra_controller.jobs.outline import Outline, Outlines
from dioptra_controller.jobs.reports import Failure
from dioptra_controller.jobs.saved_stages import read_saved
from dioptra_controller.jobs.state import JobState
from dioptra_controller.jobs.steps import read_steps
from dioptra_controller.jobs.waits import describe_waits, read_waits


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job; the fields are those of the proto message.

    Attributes:
        progress: What changes about it.
        outline: Its steps as the plan has them; None where they are not shown.
        last_event: Sequence of its newest event.
        reused_stages: Stages that need not run again.
        owner: Who submitted it; empty if that is not known.
    """

    id: int
    experiment: str
    entrypoint: str
    entrypoint_snapshot: int
    queue: str
    description: str
    parameters: Mapping[str, Any]
    artifact_inputs: Mapping[str, int]
    swaps: Mapping[str, str]
    create_time: dt.datetime
    sweep_id: int | None
    trial: int | None
    retry_of: int | None
    plan_digest: str
    timeout_seconds: float
    progress: Progress
    outline: Outline | None = None
    last_event: int = 0
    reused_stages: tuple[str, ...] = ()
    group: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs to list; empty and 0 mean all."""

    states: tuple[JobState, ...] = ()
    experiment: str = ""
    entrypoint: str = ""
    sweep_id: int = 0


_ONE = Prepared(sa.select(JOBS).where(JOBS.c.id == sa.bindparam("job")))


def get(connection: sa.Connection, job_id: int, outlines: Outlines) -> JobRecord:
    """Read a job with its steps.

    Raises:
        NotFoundError: There is no such job.
    """
    row = _ONE.first(connection, {"job": job_id})
    if row is None or not checks.is_visible(row.group_name):
        raise not_found(job_id)
    return _read(row, outlines.get(connection, row.plan_digest))


def of_row(job: OpenJob, row: Mapping[str, Any], create_time: dt.datetime) -> JobRecord:
    """A job that was just made, without its steps: what `get` would read, but not read."""
    return JobRecord(
        id=job.id,
        experiment=row["experiment"],
        entrypoint=row["entrypoint"],
        entrypoint_snapshot=row["entrypoint_snapshot"],
        queue=row["queue"],
        description=row["description"],
        parameters=json.loads(row["parameters"]),
        artifact_inputs=json.loads(row["artifact_inputs"]),
        swaps=json.loads(row["swaps"]),
        create_time=create_time,
        sweep_id=None,
        trial=None,
        retry_of=row.get("retry_of"),
        plan_digest=row["plan_digest"],
        timeout_seconds=row["timeout_seconds"],
        progress=job.progress(),
        last_event=job.last_event,
        reused_stages=tuple(saved.stage for saved in read_saved(row.get("reused_stages"))),
        group=row["group_name"],
        owner=row["owner"] or "",
    )


def list_page(
    connection: sa.Connection, page: paging.PageRequest, wanted: JobFilter
) -> paging.Page[JobRecord]:
    """One page of jobs, the newest first, without their steps."""
    size = paging.page_size(page.size)
    states = sorted(state.value for state in wanted.states)
    bound = ("jobs", states, wanted.experiment, wanted.entrypoint, wanted.sweep_id)
    after = paging.decode(page.token, *bound)
    query = sa.select(JOBS).order_by(JOBS.c.id.desc()).limit(size + 1)
    query = query.where(checks.visible(JOBS.c.group_name))
    if states:
        query = query.where(JOBS.c.state.in_(states))
    if wanted.experiment:
        query = query.where(JOBS.c.experiment == wanted.experiment)
    if wanted.entrypoint:
        query = query.where(JOBS.c.entrypoint == wanted.entrypoint)
    if wanted.sweep_id:
        query = query.where(JOBS.c.sweep_id == wanted.sweep_id)
    if after is not None:
        query = query.where(JOBS.c.id < after[0])
    rows = [_read(row) for row in connection.execute(query)]
    return paging.slice_page(rows, size, *bound, key=lambda row: [row.id])


def _read(row: Any, outline: Outline | None = None) -> JobRecord:
    progress = Progress(
        state=JobState(row.state),
        attempt=row.attempt,
        steps=read_steps(row.steps),
        start_time=row.start_time,
        end_time=row.end_time,
        failure=Failure(**json.loads(row.failure)) if row.failure else None,
        artifacts=tuple(json.loads(row.artifacts)) if row.artifacts else (),
        saved_stages=tuple(saved.stage for saved in read_saved(row.saved_stages)),
        reason=describe_waits(read_waits(row.waits)),
    )
    return JobRecord(
        id=row.id,
        experiment=row.experiment,
        entrypoint=row.entrypoint,
        entrypoint_snapshot=row.entrypoint_snapshot,
        queue=row.queue,
        description=row.description,
        parameters=json.loads(row.parameters),
        artifact_inputs=json.loads(row.artifact_inputs),
        swaps=json.loads(row.swaps),
        create_time=row.create_time,
        sweep_id=row.sweep_id,
        trial=row.trial,
        retry_of=row.retry_of,
        plan_digest=row.plan_digest,
        timeout_seconds=row.timeout_seconds,
        progress=progress,
        outline=outline,
        last_event=row.last_event,
        reused_stages=tuple(saved.stage for saved in read_saved(row.reused_stages)),
        group=row.group_name,
        owner=row.owner or "",
    )
