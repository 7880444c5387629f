"""JobService."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import sqlalchemy as sa

from dioptra_controller.access.checks import is_visible
from dioptra_controller.database.engine import Database, notify
from dioptra_controller.jobs import (
    cancelling,
    creation,
    events,
    logs,
    metrics,
    records,
    retrying,
)
from dioptra_controller.jobs.compiling import Compiler
from dioptra_controller.jobs.deleted import find_deleted
from dioptra_controller.jobs.notices import JobEnded, JobMade
from dioptra_controller.jobs.outline import Outlines
from dioptra_controller.jobs.state import JobState
from dioptra_controller.paging import PageRequest
from dioptra_controller.registry.requests import once
from dioptra_controller.rpc import job_messages as messages
from dioptra_controller.scheduling import immediate
from dioptra_controller.scheduling.hub import Hub
from dioptra_controller.scheduling.queue_rules import load_rules
from dioptra_controller.scheduling.sessions import Introduction
from dioptra_controller.scheduling.waiting import Situation
from dioptra_ray.api.controller.v1 import job_pb2
from dioptra_ray.api.controller.v1 import job_service_pb2 as pb
from dioptra_ray.api.controller.v1 import job_service_pb2_grpc as pb_grpc
from dioptra_ray.store import ArtifactStore
from dioptra_ray.store.saved_stages import SavedOutputs, find_outputs

_LONGEST_WAIT = 60.0


class JobServicer(pb_grpc.JobServiceServicer):
    """Answers for jobs."""

    def __init__(self, database: Database, hub: Hub, store: ArtifactStore) -> None:
        self._database = database
        self._store = store
        self._hub = hub
        self._compiler = Compiler()

    async def CreateJob(self, request: pb.CreateJobRequest, context: Any) -> pb.CreateJobResponse:
        """Create one, once for a request id."""
        run, compiler, now = messages.read_create(request), self._compiler, self._hub.now()

        def create(connection: sa.Connection, start: creation.Start) -> records.JobRecord:
            return creation.create_job(connection, run, compiler=compiler, now=now, start=start)

        job = await self._make(request, create)
        return pb.CreateJobResponse(job=await self._write(job))

    async def RetryJob(self, request: pb.RetryJobRequest, context: Any) -> pb.RetryJobResponse:
        """Repeat one, once for a request id."""
        now = self._hub.now()
        kept = await self._find_kept(request.id) if request.from_failed else None

        def repeat(connection: sa.Connection, start: creation.Start) -> records.JobRecord:
            return retrying.retry_job(connection, request.id, kept=kept, now=now, start=start)

        job = await self._make(request, repeat)
        return pb.RetryJobResponse(job=await self._write(job))

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> pb.GetJobResponse:
        """Show one."""
        job = await self._database.read(records.get, request.id, self._hub.outlines)
        message = await self._write(job)
        message.deleted.extend(await self._database.read(find_deleted, request.id))
        return pb.GetJobResponse(job=message)

    async def ListJobs(self, request: pb.ListJobsRequest, context: Any) -> pb.ListJobsResponse:
        """Show a page of them."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        wanted = messages.read_filter(request)
        found = await self._database.read(records.list_page, page, wanted)
        situation = await self._look(*_waited_for(found.rows))
        return pb.ListJobsResponse(
            jobs=[messages.write_job(job, situation) for job in found.rows],
            next_page_token=found.next_token,
        )

    async def CancelJob(self, request: pb.CancelJobRequest, context: Any) -> pb.CancelJobResponse:
        """Stop one."""
        await self._hub.write(cancelling.cancel_job, request.id, now=self._hub.now())
        job = await self._database.read(records.get, request.id, self._hub.outlines)
        return pb.CancelJobResponse(job=await self._write(job))

    async def WatchJob(
        self, request: pb.WatchJobRequest, context: Any
    ) -> AsyncIterator[pb.WatchJobResponse]:
        """Send its events, from any sequence on, until the last one; or that one only."""
        if request.end_only:
            yield messages.write_end(await self._wait_for_end(request.id))
            return
        after = request.after_sequence
        job = await self._database.read(records.get, request.id, self._hub.outlines)
        with self._hub.watch_job(request.id) as changed:
            while True:
                changed.clear()
                page = await self._database.read(events.read_after, request.id, after)
                # Why it waited when it was queued is nobody's business any more later.
                situation = await self._look(job.queue) if page.ends_queued else None
                for event in page.events:
                    yield messages.write_event(event, job, situation)
                    after = event.sequence
                if page.is_last:
                    return
                if not page.events:
                    await changed.wait()

    async def WaitJob(self, request: pb.WaitJobRequest, context: Any) -> pb.WaitJobResponse:
        """Wait for its end, for a while."""
        seconds = request.seconds if 0 < request.seconds < _LONGEST_WAIT else _LONGEST_WAIT
        job = await self._wait_for_end(request.id, seconds)
        return pb.WaitJobResponse(job=await self._write(job))

    async def ListJobLogs(
        self, request: pb.ListJobLogsRequest, context: Any
    ) -> pb.ListJobLogsResponse:
        """Show a page of what it said."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        wanted = logs.LogFilter(step=request.step, level=request.level)
        found = await self._database.read(logs.list_page, request.id, page, wanted)
        return pb.ListJobLogsResponse(
            records=map(messages.write_log, found.rows), next_page_token=found.next_token
        )

    async def WatchJobLogs(
        self, request: pb.WatchJobLogsRequest, context: Any
    ) -> AsyncIterator[pb.WatchJobLogsResponse]:
        """Send what it says, from any sequence on, until it has ended."""
        after = request.after_sequence
        with self._hub.watch_job(request.id) as changed:
            while True:
                changed.clear()
                batch = await self._database.read(logs.read_after, request.id, after)
                if batch.records:
                    yield pb.WatchJobLogsResponse(records=map(messages.write_log, batch.records))
                    after = batch.records[-1].sequence
                if batch.is_last:
                    return
                if not batch.records:
                    await changed.wait()

    async def ListJobMetrics(
        self, request: pb.ListJobMetricsRequest, context: Any
    ) -> pb.ListJobMetricsResponse:
        """Show its metrics."""
        points = await self._database.read(metrics.list_for_job, request.id, request.name)
        return pb.ListJobMetricsResponse(metrics=map(messages.write_metric, points))

    async def _find_kept(self, job_id: int) -> Mapping[str, SavedOutputs]:
        """What the store has of the stages that a failed job had finished."""
        saved = await self._database.read(retrying.find_saved, job_id)
        return await asyncio.to_thread(
            find_outputs, self._store, {one.stage: one.key for one in saved}
        )

    async def _make(
        self,
        request: pb.CreateJobRequest | pb.RetryJobRequest,
        make: Callable[[sa.Connection, creation.Start], records.JobRecord],
    ) -> records.JobRecord:
        def once(connection: sa.Connection, runners: Sequence[Introduction]) -> records.JobRecord:
            start = partial(immediate.start, runners)
            return _make_once(
                connection, request, lambda: make(connection, start), self._hub.outlines
            )

        return await self._hub.create(once)

    async def _write(self, job: records.JobRecord) -> job_pb2.Job:
        return messages.write_job(job, await self._look(*_waited_for([job])))

    async def _look(self, *queues: str) -> Situation:
        """What jobs wait for that are queued in these queues."""
        rules = await self._database.read(load_rules, queues) if queues else {}
        return Situation(runners=self._hub.runners(), rules=rules)

    async def _wait_for_end(self, job_id: int, seconds: float | None = None) -> records.JobRecord:
        """The job at its end, or as it is so many seconds later."""
        with self._hub.watch_end(job_id) as ended:
            job = self._hub.find_newcomer(job_id)
            if job is None or not is_visible(job.group):
                job = await self._database.read(records.get, job_id, self._hub.outlines)
            try:
                async with asyncio.timeout(seconds):
                    while not job.progress.state.is_final:
                        await ended.wait()
                        ended.clear()
                        job = await self._read_end(job, ended.news)
            except TimeoutError:
                return await self._database.read(records.get, job_id, self._hub.outlines)
        return job

    async def _read_end(self, job: records.JobRecord, news: JobEnded | None) -> records.JobRecord:
        if news is None:  # on another controller, if at all
            return await self._database.read(records.get, job.id, self._hub.outlines)
        # Committed, and said with it: there is nothing to read again.
        return replace(job, progress=news.progress, last_event=news.last_event)


def _waited_for(jobs: Iterable[records.JobRecord]) -> set[str]:
    """The queues of those jobs that wait in them."""
    return {job.queue for job in jobs if job.progress.state is JobState.QUEUED}


def _make_once(
    connection: sa.Connection,
    request: pb.CreateJobRequest | pb.RetryJobRequest,
    make: Callable[[], records.JobRecord],
    outlines: Outlines,
) -> records.JobRecord:
    made: list[records.JobRecord] = []

    def create() -> str:
        made.append(make())
        return str(made[0].id)

    job_id = once(
        connection,
        request.request_id,
        method=type(request).__name__.removesuffix("Request"),
        content=request.SerializeToString(deterministic=True),
        create=create,
    )
    for job in made:
        shown = replace(job, outline=outlines.get(connection, job.plan_digest))
        notify(connection, JobMade(shown))
        return shown
    return records.get(connection, int(job_id), outlines)
