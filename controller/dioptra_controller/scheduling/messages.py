"""What the controller says to a runner, as values."""

from dataclasses import dataclass

from dioptra_controller.jobs.saved_stages import SavedStage


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one attempt of a job."""

    job_id: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactInput:
    """The artifact given for an artifact parameter, with all that reading it takes."""

    name: str
    artifact_id: int
    key: str
    manifest_json: str
    task: str
    plugin_digest: str
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A job to run."""

    runner_id: str
    lease: Lease
    plan_digest: str
    parameters_json: str
    artifact_inputs: tuple[ArtifactInput, ...]
    timeout_seconds: float
    entrypoint: str
    experiment: str
    saved_stages: tuple[SavedStage, ...] = ()


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A leased job to stop."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Reports up to and including this one are committed."""

    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What a runner is told when it connects.

    Attributes:
        committed_sequence: Highest committed report of this runner.
        revoked: Leases that it thought it had.
        first: What it is told right after.
        beat: The number in its row as it came; see `scheduling.presence`.
    """

    committed_sequence: int
    revoked: tuple[Lease, ...]
    first: tuple["Assignment | Cancellation", ...]
    beat: int


Message = Assignment | Cancellation | Acknowledgement
