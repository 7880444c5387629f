"""A job in the hands of a user."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from dioptra_ray.wire.artifacts import Artifact
from dioptra_ray.wire.jobs import (
    Failure,
    JobEvent,
    JobRecord,
    LogRecord,
    MetricSeries,
    Step,
)

if TYPE_CHECKING:
    from dioptra_ray.client.jobs import Jobs


class Job:
    """A job as it was when it was last read; `refresh`, `wait` and `watch` read it again.

    `steps`, `metrics`, `logs` and `artifacts` are asked for when they are looked at.
    """

    def __init__(self, jobs: "Jobs", record: JobRecord) -> None:
        self._jobs = jobs
        self.record = record

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.record.entrypoint} {self.status}>"

    @property
    def id(self) -> int:
        """Its number."""
        return self.record.id

    @property
    def status(self) -> str:
        """One of queued, started, finished, failed and cancelled."""
        return self.record.status

    @property
    def entrypoint(self) -> str:
        """The name of its entrypoint."""
        return self.record.entrypoint

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Its parameters after coercion and defaults."""
        return self.record.parameters

    @property
    def swaps(self) -> Mapping[str, str]:
        """The chosen aliases, by swap."""
        return self.record.swaps

    @property
    def failure(self) -> Failure | None:
        """Why it failed; None otherwise."""
        return self.record.failure

    @property
    def steps(self) -> Mapping[str, Step]:
        """Its steps by name, in the order of execution."""
        if not self.record.steps:  # lists leave them out
            self.refresh()
        return self.record.steps

    @property
    def metrics(self) -> Mapping[str, MetricSeries]:
        """What it has logged so far, as series by name."""
        return self._jobs.metrics(self.id)

    @property
    def logs(self) -> tuple[LogRecord, ...]:
        """What it has said so far, in order."""
        return self._jobs.logs(self.id)

    @property
    def artifacts(self) -> Mapping[str, Artifact]:
        """What it has stored, by name."""
        found = self._jobs.artifacts.list(job=self.id)
        return {artifact.name: artifact for artifact in sorted(found, key=lambda item: item.id)}

    def timeline(self) -> dict[str, Any]:
        """What has happened to it so far, as a trace that Perfetto opens; write it as JSON."""
        return self._jobs.timeline(self.id)

    def refresh(self) -> Self:
        """Read it again."""
        self.record = self._jobs.get(self.id).record
        return self

    def cancel(self) -> Self:
        """Ask for a stop; idempotent. `wait` afterwards waits until it has stopped."""
        self.record = self._jobs.cancel(self.id).record
        return self

    def retry(self, *, from_failed: bool = False) -> "Job":
        """Queue a new job like this one, which must have ended; see `Jobs.retry`."""
        return self._jobs.retry(self.id, from_failed=from_failed)

    def watch(self, *, after: int = 0, timeout: float | None = None) -> Iterator[JobEvent]:
        """Yield what happens to it, from the beginning or after a sequence, to its end.

        Raises:
            TimeoutError: It has not ended after `timeout` seconds; it goes on.
        """
        for event in self._jobs.watch(self.id, after=after, timeout=timeout):
            if event.job is not None:
                self.record = event.job
            yield event

    def wait(self, timeout: float | None = None) -> Self:
        """Wait for its end, good or bad.

        Raises:
            TimeoutError: It has not ended after `timeout` seconds; it goes on.
        """
        if self.record.is_final:
            return self.refresh()
        self.record = self._jobs.wait(self.id, timeout=timeout).record
        return self
