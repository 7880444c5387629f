"""What a committed transaction tells the rest of the controller (see `engine.notify`)."""

from dataclasses import dataclass

from dioptra_controller.jobs.events import Progress


@dataclass(frozen=True, slots=True)
class JobChanged:
    """A job has new events or log records."""

    job_id: int


@dataclass(frozen=True, slots=True)
class JobEnded:
    """A job has reached its final state: what it is then, and its last event."""

    job_id: int
    progress: Progress
    last_event: int


@dataclass(frozen=True, slots=True)
class SweepChanged:
    """Counts of a sweep have changed."""

    sweep_id: int


@dataclass(frozen=True, slots=True)
class WorkArrived:
    """There may be something to assign: a job was queued."""


@dataclass(frozen=True, slots=True)
class SlotFreed:
    """A runner holds one job less."""

    runner_id: str
    job_id: int


@dataclass(frozen=True, slots=True)
class StopWanted:
    """A runner must stop a leased job."""

    runner_id: str
    job_id: int
    attempt: int


Notice = JobChanged | JobEnded | SweepChanged | WorkArrived | SlotFreed | StopWanted
