"""Submitting, watching and stopping jobs."""

import builtins
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from dioptra_ray.api.controller.v1 import job_service_pb2 as pb
from dioptra_ray.api.controller.v1.job_service_pb2_grpc import JobServiceStub
from dioptra_ray.client.cancellation import Cancellation
from dioptra_ray.client.connection import Connection, deadline_after
from dioptra_ray.client.job import Job
from dioptra_ray.client.merge import merge
from dioptra_ray.client.paging import read_pages
from dioptra_ray.client.requests import make
from dioptra_ray.client.resume import resume
from dioptra_ray.client.timeline import make_timeline
from dioptra_ray.errors import UnavailableError
from dioptra_ray.wire.artifacts import Artifact
from dioptra_ray.wire.jobs import (
    JobEvent,
    LogRecord,
    MetricSeries,
    read_event,
    read_job,
    read_log,
    read_metric,
    read_series,
)
from dioptra_ray.wire.states import parse_job_state
from dioptra_ray.wire.values import write_mapping

if TYPE_CHECKING:
    from dioptra_ray.client.artifacts import Artifacts

LARGEST_LOG_PAGE = 10_000
# The controller answers after a minute at the latest; later than this it answers no more.
WAIT_SECONDS = 120.0


class Jobs:
    """`client.jobs`."""

    def __init__(self, connection: Connection, artifacts: "Artifacts") -> None:
        self._connection = connection
        self._stub = JobServiceStub(connection.channel)
        self.artifacts = artifacts

    def submit(  # noqa: PLR0913 - what a job is made of, all but three by name
        self,
        entrypoint: str,
        parameters: Mapping[str, Any] | None = None,
        artifacts: Mapping[str, int | Artifact] | None = None,
        *,
        swaps: Mapping[str, str] | None = None,
        experiment: str = "",
        queue: str = "",
        description: str = "",
        timeout: float = 0.0,
        snapshot: int = 0,
        request_id: str = "",
    ) -> Job:
        """Queue a job; it is durable when this returns.

        Args:
            entrypoint: The entrypoint's name.
            parameters: Values by parameter; the others take their defaults.
            artifacts: Artifacts, or their ids, by artifact parameter.
            swaps: An alias for each swap of the entrypoint, by the swap's name.
            experiment: The experiment, "default" when empty.
            queue: The queue, "default" when empty.
            description: Free text.
            timeout: Seconds after the start at which it is stopped; 0 means 24 hours.
            snapshot: The entrypoint's snapshot; 0 means the newest.
            request_id: Repeating a call with the same one returns the first job; made up
                when empty.

        Raises:
            InvalidDescriptionError: Parameters, swaps or graph are wrong; `issues` has all of
                it.
            NotFoundError: No such entrypoint, experiment, queue or artifact.
        """
        request = make(
            pb.CreateJobRequest,
            request_id=request_id or uuid4().hex,
            entrypoint=entrypoint,
            entrypoint_snapshot=snapshot,
            experiment=experiment,
            queue=queue,
            parameters=write_mapping(parameters or {}),
            artifact_inputs=artifact_ids(artifacts or {}),
            swaps=swaps or {},
            description=description,
            timeout_seconds=timeout,
        )
        return Job(self, read_job(self._connection.call(self._stub.CreateJob, request).job))

    def get(self, job: int) -> Job:
        """Read a job.

        Raises:
            NotFoundError: There is no such job.
        """
        response = self._connection.call(self._stub.GetJob, make(pb.GetJobRequest, id=job))
        return Job(self, read_job(response.job))

    def list(
        self,
        *,
        status: str | None = None,
        experiment: str = "",
        entrypoint: str = "",
        sweep: int = 0,
        limit: int | None = None,
    ) -> tuple[Job, ...]:
        """List jobs, newest first; `limit` None means all of them."""
        states = [parse_job_state(status)] if status else []

        def fetch(size: int, token: str) -> tuple[Iterator[Job], str]:
            request = make(
                pb.ListJobsRequest,
                page_size=size,
                page_token=token,
                states=states,
                experiment=experiment,
                entrypoint=entrypoint,
                sweep_id=sweep,
            )
            page = self._connection.call(self._stub.ListJobs, request)
            return (Job(self, read_job(job)) for job in page.jobs), page.next_page_token

        return read_pages(fetch, limit=limit)

    def cancel(self, job: int) -> Job:
        """Ask for a stop; idempotent.

        Raises:
            PreconditionError: It has finished or failed already.
        """
        response = self._connection.call(self._stub.CancelJob, make(pb.CancelJobRequest, id=job))
        return Job(self, read_job(response.job))

    def retry(self, job: int, *, from_failed: bool = False, request_id: str = "") -> Job:
        """Queue a new job with the same entrypoint snapshot, parameters, swaps and artifacts.

        Args:
            job: The job to repeat.
            from_failed: Run only what a failed job had not finished; the kept outputs of
                its finished stages, `record.saved_stages`, are reused.
            request_id: Repeating a call with the same one returns the first retry; made up
                when empty.

        Raises:
            PreconditionError: The job has not ended; or `from_failed`, and nothing of it is
                kept that could be reused.
        """
        request = make(
            pb.RetryJobRequest,
            request_id=request_id or uuid4().hex,
            id=job,
            from_failed=from_failed,
        )
        return Job(self, read_job(self._connection.call(self._stub.RetryJob, request).job))

    def wait(self, job: int, *, timeout: float | None = None) -> Job:
        """Wait for a job's end, good or bad.

        Raises:
            TimeoutError: It has not ended after `timeout` seconds; it goes on.
        """
        deadline = deadline_after(timeout)
        request = make(pb.WaitJobRequest, id=job)
        backoff = self._connection.backoff()
        while True:
            try:
                response = self._connection.ask(
                    self._stub.WaitJob, request, deadline, patience=WAIT_SECONDS, what=f"job {job}"
                )
            except UnavailableError:
                if not backoff.wait():
                    raise
                continue
            backoff.succeeded()
            record = read_job(response.job)
            if record.is_final:
                return Job(self, record)

    def watch(
        self,
        job: int,
        *,
        after: int = 0,
        timeout: float | None = None,
        cancellation: Cancellation | None = None,
    ) -> Iterator[JobEvent]:
        """Yield what happens to a job, from the beginning or after a sequence, to its end.

        A lost connection is resumed where it was, without gaps and without repeats.

        Raises:
            TimeoutError: The job has not ended after `timeout` seconds; it goes on.
        """
        deadline = deadline_after(timeout)

        def open_stream(sequence: int) -> Iterator[JobEvent]:
            request = make(pb.WatchJobRequest, id=job, after_sequence=sequence)
            call = self._connection.stream(
                self._stub.WatchJob, request, deadline, cancellation, what=f"job {job}"
            )
            for message in call:
                yield read_event(message)

        return resume(
            open_stream,
            position=lambda event: event.sequence,
            is_last=lambda event: event.job is not None and event.job.is_final,
            after=after,
            backoff=self._connection.backoff(cancellation),
        )

    def logs(
        self, job: int, *, step: str = "", level: str = "", limit: int | None = None
    ) -> tuple[LogRecord, ...]:
        """List what a job has said so far, in order."""

        def fetch(size: int, token: str) -> tuple[Iterator[LogRecord], str]:
            request = make(
                pb.ListJobLogsRequest,
                id=job,
                page_size=size,
                page_token=token,
                step=step,
                level=level,
            )
            page = self._connection.call(self._stub.ListJobLogs, request)
            return map(read_log, page.records), page.next_page_token

        return read_pages(fetch, limit=limit, largest=LARGEST_LOG_PAGE)

    def watch_logs(
        self, job: int, *, after: int = 0, cancellation: Cancellation | None = None
    ) -> Iterator[LogRecord]:
        """Yield what a job says as it says it, until it has ended and all was said."""
        batches = resume(
            lambda sequence: self._log_batches(job, sequence, cancellation),
            position=lambda records: records[-1].sequence,
            after=after,
            backoff=self._connection.backoff(cancellation),
        )
        for batch in batches:
            yield from batch

    def metrics(self, job: int, *, name: str = "") -> dict[str, MetricSeries]:
        """Read the metrics of a job as series by name."""
        request = make(pb.ListJobMetricsRequest, id=job, name=name)
        response = self._connection.call(self._stub.ListJobMetrics, request)
        return read_series([read_metric(metric) for metric in response.metrics])

    def follow(self, job: int) -> Iterator[JobEvent | LogRecord]:
        """Yield what happens to a job and what it says, as it comes, from beginning to end.

        What has happened already is sorted by the time at which it did.
        """
        return merge(
            lambda cancellation: self.watch(job, cancellation=cancellation),
            lambda cancellation: self.watch_logs(job, cancellation=cancellation),
            time_of=_time_of,
        )

    def timeline(self, job: int) -> dict[str, Any]:
        """Everything that has happened to a job so far, as a trace that Perfetto opens.

        Returns:
            Chrome's Trace Event Format, to be written as JSON.

        Raises:
            NotFoundError: There is no such job.
        """
        record = self.get(job).record
        cancellation = Cancellation()
        events = []
        for event in self.watch(job, cancellation=cancellation):
            events.append(event)
            if 0 < record.last_event <= event.sequence:
                break
        cancellation.cancel()
        return make_timeline(record, events)

    def _log_batches(
        self, job: int, after: int, cancellation: Cancellation | None
    ) -> Iterator[builtins.list[LogRecord]]:
        request = make(pb.WatchJobLogsRequest, id=job, after_sequence=after)
        call = self._connection.stream(self._stub.WatchJobLogs, request, cancellation=cancellation)
        for response in call:
            if response.records:
                yield [read_log(record) for record in response.records]


def artifact_ids(artifacts: Mapping[str, int | Artifact]) -> dict[str, int]:
    """The ids of artifacts by artifact parameter."""
    return {
        name: artifact.id if isinstance(artifact, Artifact) else artifact
        for name, artifact in artifacts.items()
    }


def _time_of(item: JobEvent | LogRecord) -> datetime:
    return item.occurred if isinstance(item, JobEvent) else item.time
