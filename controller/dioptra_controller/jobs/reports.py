"""What runners say about jobs, as values."""

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

from dioptra_controller.jobs.saved_stages import SavedStage
from dioptra_controller.jobs.state import JobState
from dioptra_controller.jobs.steps import StepChange
from dioptra_controller.jobs.waits import StageWait

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job ended badly; the fields are those of the proto message."""

    reason: str
    message: str
    step: str = ""
    error_type: str = ""
    traceback: str = ""
    file: str = ""
    line: int = 0
    retryable: bool = False

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line that a job said; `level` is a number as in Python's logging."""

    time: dt.datetime
    level: int
    logger: str
    step: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """One value of a metric."""

    name: str
    step: int
    value: float
    time: dt.datetime
    graph_step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArtifact:
    """An artifact whose bytes are all in the store."""

    name: str
    key: str
    manifest_json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How an attempt ended, why, what it stored, and what a retry may reuse of it."""

    outcome: JobState
    failure: Failure | None = None
    artifacts: tuple[StoredArtifact, ...] = ()
    saved_stages: tuple[SavedStage, ...] = ()


Happening = StepChange | LogLine | MetricPoint | StageWait | AttemptEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Something happened to a leased job.

    Attributes:
        sequence: Dense within the runner's life, from 1.
        job_id: The job.
        attempt: The attempt that it happened to.
        happenings: What, in order; all of one kind.
    """

    sequence: int
    job_id: int
    attempt: int
    happenings: tuple[Happening, ...]
