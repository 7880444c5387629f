"""The life of a job as a pure value: which changes are legal, and who may make them.

A lease is the pair (job, attempt). Whoever reports on a job must hold its lease; what an
earlier attempt still says is not believed (fencing).
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from dioptra_ray.errors import PreconditionError

MAX_ATTEMPTS = 3


class JobState(StrEnum):
    """Where a job is in its life; the last three are final."""

    QUEUED = "queued"
    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing can happen to the job any more."""
        return self in FINAL_STATES


FINAL_STATES = frozenset({JobState.FINISHED, JobState.FAILED, JobState.CANCELLED})


class IllegalTransitionError(PreconditionError):
    """The job is in no state for this change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLife:
    """Where a job is, which attempt it is at, and who holds its lease.

    Attributes:
        state: Where it is.
        attempt: The attempt that runs or ran last; 0 before the first.
        runner_id: Who holds the lease; None unless started.
        cancel_requested: Somebody wants it stopped, its runner has not done so yet.
    """

    state: JobState = JobState.QUEUED
    attempt: int = 0
    runner_id: str | None = None
    cancel_requested: bool = False

    def is_leased_by(self, runner_id: str, attempt: int) -> bool:
        """Whether what `runner_id` says about `attempt` is about the present."""
        return (
            self.state is JobState.STARTED
            and self.runner_id == runner_id
            and self.attempt == attempt
        )

    def lease(self, runner_id: str) -> "JobLife":
        """Begin the next attempt on a runner."""
        self._require(JobState.QUEUED, "leased")
        return replace(self, state=JobState.STARTED, attempt=self.attempt + 1, runner_id=runner_id)

    def end(self, outcome: JobState) -> "JobLife":
        """The attempt has ended for good: finished, failed or cancelled."""
        self._require(JobState.STARTED, str(outcome))
        if not outcome.is_final:
            raise IllegalTransitionError(f"a job cannot end as {outcome}")
        return JobLife(state=outcome, attempt=self.attempt)

    def request_cancel(self) -> "JobLife":
        """Stop it: at once while it waits, by its runner while it runs; idempotent."""
        match self.state:
            case JobState.QUEUED:
                return JobLife(state=JobState.CANCELLED, attempt=self.attempt)
            case JobState.STARTED:
                return replace(self, cancel_requested=True)
            case JobState.CANCELLED:
                return self
        raise IllegalTransitionError(f"the job cannot be cancelled: it has {self.state} already")

    def lose_runner(self, max_attempts: int = MAX_ATTEMPTS) -> "JobLife":
        """The runner is gone: try again, unless it was to stop or that happened too often."""
        self._require(JobState.STARTED, "taken from its runner")
        if self.cancel_requested:
            return self.end(JobState.CANCELLED)
        if self.attempt >= max_attempts:
            return self.end(JobState.FAILED)
        return JobLife(state=JobState.QUEUED, attempt=self.attempt)

    def hand_back(self) -> "JobLife":
        """The runner stops in good order: that is nobody's failure, however often it happens."""
        self._require(JobState.STARTED, "handed back by its runner")
        if self.cancel_requested:
            return self.end(JobState.CANCELLED)
        return JobLife(state=JobState.QUEUED, attempt=self.attempt)

    def _require(self, state: JobState, change: str) -> None:
        if self.state is not state:
            raise IllegalTransitionError(f"a job that is {self.state} cannot be {change}")
