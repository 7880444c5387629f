"""The event log of a job: what is written with every change, and how it is read again.

An event keeps what changes; what never changes about a job is read from its row.
"""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from dioptra_controller.access.checks import is_visible
from dioptra_controller.database.job_tables import JOB_EVENTS, JOBS
from dioptra_controller.jobs.belonging import not_found
from dioptra_controller.jobs.reports import Failure, MetricPoint
from dioptra_controller.jobs.state import JobState
from dioptra_controller.jobs.steps import (
    Steps,
    StepStatus,
    read_status,
    read_steps,
    write_status,
    write_steps,
)
from dioptra_ray.errors import OutOfRangeError

PAGE = 500
Kind = Literal["state", "step", "metric"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What changes about a job in its life.

    Attributes:
        state: Where it is.
        attempt: Which attempt runs or ran last.
        steps: What was said about its steps.
        start_time: When it was first leased.
        end_time: When it reached its final state.
        failure: Why it failed.
        artifacts: Ids of its artifacts.
        reason: Why it came to be there, when that is not plain.
        saved_stages: Stages that a retry may reuse.
    """

    state: JobState
    attempt: int
    steps: Steps
    start_time: dt.datetime | None
    end_time: dt.datetime | None
    failure: Failure | None
    artifacts: tuple[int, ...]
    reason: str = ""
    saved_stages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMoved:
    """A step changed its state."""

    step: str
    status: StepStatus
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One event, read again."""

    sequence: int
    time: dt.datetime
    content: Progress | StepMoved | MetricPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Some events, and whether nothing can come after them."""

    events: tuple[JobEvent, ...]
    is_last: bool

    @property
    def ends_queued(self) -> bool:
        """Whether the last that is said of the job's state is that it waits."""
        states = [one.content.state for one in self.events if isinstance(one.content, Progress)]
        return bool(states) and states[-1] is JobState.QUEUED


def write_progress(progress: Progress) -> str:
    """As JSON."""
    content: list[Any] = [
        progress.state.value,
        progress.attempt,
        write_steps(progress.steps),
        _write_time(progress.start_time),
        _write_time(progress.end_time),
        progress.failure and progress.failure.to_json(),
        list(progress.artifacts),
        *_write_rare(progress),
    ]
    return json.dumps(content, separators=(",", ":"))


def _write_rare(progress: Progress) -> list[Any]:
    """What most jobs do not have; left out as far as it can be."""
    if progress.saved_stages:
        return [progress.reason, list(progress.saved_stages)]
    return [progress.reason] if progress.reason else []


def write_step(step: str, status: StepStatus, attempt: int) -> str:
    """As JSON."""
    return json.dumps([step, write_status(status), attempt], separators=(",", ":"))


def write_metric(point: MetricPoint) -> str:
    """As JSON; NaN and infinity as Python's json module writes them."""
    content = [point.name, point.step, point.value, _write_time(point.time), point.graph_step]
    return json.dumps(content, separators=(",", ":"))


def read_after(connection: sa.Connection, job_id: int, after: int) -> EventPage:
    """The events of a job after a sequence number, at most `PAGE` of them.

    Raises:
        NotFoundError: There is no such job.
        OutOfRangeError: `after` is beyond the newest event, or what follows it was deleted.
    """
    # The state first: what is committed between the two reads may only add events.
    columns = (JOBS.c.state, JOBS.c.last_event, JOBS.c.group_name)
    job = connection.execute(sa.select(*columns).where(JOBS.c.id == job_id)).one_or_none()
    if job is None or not is_visible(job.group_name):
        raise not_found(job_id)
    if not 0 <= after <= job.last_event:
        raise OutOfRangeError(
            f"job {job_id} has {job.last_event} events, but those after {after} were asked for"
        )
    query = (
        sa.select(JOB_EVENTS)
        .where(JOB_EVENTS.c.job_id == job_id, JOB_EVENTS.c.sequence > after)
        .order_by(JOB_EVENTS.c.sequence)
        .limit(PAGE)
    )
    events = tuple(_read_event(row) for row in connection.execute(query))
    if after < job.last_event and (not events or events[0].sequence != after + 1):
        raise OutOfRangeError(
            f"the events of job {job_id} after {after} were deleted, because it ended long ago "
            "(keep_events_seconds of the controller); the job itself says how it ended",
            job=str(job_id),
        )
    newest = events[-1].sequence if events else after
    is_last = JobState(job.state).is_final and newest >= job.last_event
    return EventPage(events=events, is_last=is_last)


def _read_event(row: Any) -> JobEvent:
    data = json.loads(row.payload)
    content: Progress | StepMoved | MetricPoint
    match row.kind:
        case "state":
            content = _read_progress(data)
        case "step":
            content = StepMoved(step=data[0], status=read_status(data[1]), attempt=data[2])
        case _:
            content = MetricPoint(
                name=data[0],
                step=data[1],
                value=data[2],
                time=_read_time(data[3]) or row.time,
                graph_step=data[4],
            )
    return JobEvent(sequence=row.sequence, time=row.time, content=content)


def _read_progress(data: list[Any]) -> Progress:
    state, attempt, steps, start, end, failure, artifacts, *more = data
    return Progress(
        state=JobState(state),
        attempt=attempt,
        steps=read_steps(steps),
        start_time=_read_time(start),
        end_time=_read_time(end),
        failure=Failure(**failure) if failure else None,
        artifacts=tuple(artifacts),
        reason=more[0] if more else "",
        saved_stages=tuple(more[1]) if len(more) > 1 else (),
    )


def _write_time(time: dt.datetime | None) -> float | None:
    return None if time is None else time.timestamp()


def _read_time(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)
