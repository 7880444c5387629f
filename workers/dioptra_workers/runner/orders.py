"""What the runner is told to do, and how it ended."""

from dataclasses import dataclass
from typing import Literal

from dioptra_ray.planning.plan import Plan
from dioptra_workers.stage.request import JobContext, StageFailure, StoredArtifact

LeaseKey = tuple[int, int]
"""A job and its attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedStage:
    """A finished stage whose outputs are kept in the store.

    Attributes:
        stage: The stage.
        job_id: The job that ran it.
        key: Where its outputs lie; empty when none of them is needed.
    """

    stage: str
    job_id: int
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """One attempt of a job, to be run.

    Attributes:
        job: The job.
        plan: What it runs.
        plan_digest: The plan's digest, which is costly to compute.
        timeout: Seconds after which it must be stopped; None for no limit.
        saved_stages: Stages of an earlier job that need not run again.
    """

    job: JobContext
    plan: Plan
    plan_digest: str
    timeout: float | None = None
    saved_stages: tuple[SavedStage, ...] = ()

    @property
    def lease(self) -> LeaseKey:
        """What it is known by."""
        return self.job.job_id, self.job.attempt


@dataclass(frozen=True, slots=True)
class StageWaits:
    """A stage waits for what no node of the cluster has, or waits no more.

    Attributes:
        stage: The stage.
        reason: "waits for GPU=1; no node has it (largest: GPU=0)"; empty for no more.
    """

    stage: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnded:
    """How an attempt ended.

    Attributes:
        outcome: How.
        failure: Why, when it failed.
        artifacts: What it stored, in declaration order; only when it finished.
        saved_stages: What a retry may reuse; only when it failed.
    """

    outcome: Literal["finished", "failed", "cancelled"]
    failure: StageFailure | None = None
    artifacts: tuple[StoredArtifact, ...] = ()
    saved_stages: tuple[SavedStage, ...] = ()
