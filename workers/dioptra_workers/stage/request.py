"""What a stage is asked to do, and what it answers.

These values cross between the runner and its workers and are pickled by Ray, so they hold
plain values only; what users make travels beside them as `Payload`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dioptra_ray.planning.plan import PluginBundle, Stage
from dioptra_workers.stage.events import Event

Outcome = Literal["finished", "failed", "cancelled", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactInput:
    """The artifact given for an artifact parameter.

    Attributes:
        name: The artifact parameter's name.
        artifact_id: Id of the artifact.
        key: Its key in the store.
        manifest_json: The store's manifest of it.
        task: Id of the artifact task that reads it, "plugin.module.Class".
        plugin_digest: Digest of the plugin bundle with that task.
        outputs: Names of what the task's deserialize returns, in order.
    """

    name: str
    artifact_id: int
    key: str
    manifest_json: str
    task: str
    plugin_digest: str
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """What all stages of a job attempt share.

    Attributes:
        job_id: The job.
        attempt: The attempt.
        parameters_json: The job's parameters after coercion and defaults.
        artifact_inputs: The artifacts given.
        entrypoint: Name of the entrypoint.
        experiment: Name of the experiment.
    """

    job_id: int
    attempt: int
    parameters_json: bytes = b"{}"
    artifact_inputs: tuple[ArtifactInput, ...] = ()
    entrypoint: str = ""
    experiment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where workers find and leave things.

    Attributes:
        store_url: The artifact store.
        scratch_dir: Directory on each node for working directories and extracted plugins.
        sink: Name of the runner's sink actor; empty for none.
        namespace: Ray namespace of the sink.
    """

    store_url: str
    scratch_dir: str
    sink: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRequest:
    """One stage of one job attempt.

    Attributes:
        job: What all stages of the attempt share.
        places: Where to find and leave things.
        plan_digest: Identity of the plan.
        description: The plan's description.
        plugins: The plan's plugin set.
        artifact_tasks: Artifact task ids by name.
        stage: What to run.
        round: How often the stage was tried before.
        followed: Whether other stages wait for it: then it also returns a gate.
        shares_files: Whether other stages take its workspace delta.
        isolated: Whether it must have a process of its own.
    """

    job: JobContext
    places: Places
    plan_digest: str
    description: Mapping[str, Any]
    plugins: tuple[PluginBundle, ...]
    artifact_tasks: tuple[tuple[str, str], ...]
    stage: Stage
    round: int = 0
    followed: bool = False
    shares_files: bool = False
    isolated: bool = False

    @property
    def directory(self) -> str:
        """Name of the stage's scratch directory, unique on its cluster."""
        job = self.job
        return f"{job.job_id}-{job.attempt}-{self.stage.name}-{self.round}"

    @property
    def num_returns(self) -> int:
        """Report, gate if followed, one payload an export, delta if files are shared."""
        return 1 + self.followed + len(self.stage.exports) + self.shares_files


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFailure:
    """Why a stage ended badly; mirrors `dioptra_ray.api.types.v1.Failure`.

    Attributes:
        exit_reason: How its step ended, in a few words; it is told with the step.
        classes: Qualified names of what was raised, and of what that inherits from.
    """

    reason: str
    message: str
    step: str = ""
    error_type: str = ""
    traceback: str = ""
    file: str = ""
    line: int = 0
    retryable: bool = False
    exit_reason: str = ""
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArtifact:
    """An artifact whose bytes are all in the store."""

    name: str
    key: str
    manifest_json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReport:
    """How a stage went.

    Attributes:
        outcome: How it ended.
        failure: Why, when it failed.
        first_event: Index of the first of `events`; those before were delivered live.
        events: What it said, in order.
        artifacts: What it stored.
        retire: Whether its process ends now, because another stage might suffer in it.
        node_id: Where it ran, if that matters to others.
    """

    outcome: Outcome
    failure: StageFailure | None = None
    first_event: int = 0
    events: tuple[Event, ...] = ()
    artifacts: tuple[StoredArtifact, ...] = ()
    retire: bool = False
    node_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a stage that is still running has said since the last time."""

    job_id: int
    attempt: int
    stage: str
    round: int
    node_id: str
    first_event: int
    events: tuple[Event, ...]
