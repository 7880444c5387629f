"""What a committed transaction tells the rest of the controller (see `engine.notify`)."""

from dataclasses import dataclass

from dioptra_controller.jobs.events import Progress
from dioptra_controller.jobs.records import JobRecord


@dataclass(frozen=True, slots=True)
class JobMade:
    """A job was made: what it is now."""

    job: JobRecord


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


@dataclass(frozen=True, slots=True)
class RunnerLost:
    """The leases of a runner were taken back: whoever has a stream of before ends it.

    `beat` is the number in the runner's row (see `scheduling.presence`), which only grows.
    """

    runner_id: str
    beat: int


@dataclass(frozen=True, slots=True)
class RunnerCame:
    """A runner has come to a controller: any other one that has a stream of before ends it."""

    runner_id: str
    beat: int
    controller: str


Notice = (
    JobMade
    | JobChanged
    | JobEnded
    | SweepChanged
    | WorkArrived
    | SlotFreed
    | StopWanted
    | RunnerLost
    | RunnerCame
)
