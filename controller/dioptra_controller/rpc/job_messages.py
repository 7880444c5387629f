"""Jobs as messages."""

import datetime as dt
import logging

from google.protobuf.timestamp_pb2 import Timestamp

from dioptra_controller.jobs.creation import RunRequest
from dioptra_controller.jobs.events import JobEvent, Progress, StepMoved
from dioptra_controller.jobs.logs import LogRecord
from dioptra_controller.jobs.outline import StepOutline
from dioptra_controller.jobs.records import JobFilter, JobRecord
from dioptra_controller.jobs.reports import Failure, MetricPoint
from dioptra_controller.jobs.state import JobState
from dioptra_controller.jobs.steps import StepState, StepStatus, untold
from dioptra_controller.scheduling.waiting import Situation
from dioptra_ray.api.controller.v1 import job_pb2, job_service_pb2
from dioptra_ray.api.types.v1 import failure_pb2
from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.wire.times import to_timestamp
from dioptra_ray.wire.values import read_mapping, write_mapping

JOB_STATES = {state: job_pb2.JobState.Value(f"JOB_STATE_{state.name}") for state in JobState}
_STEP_STATES = {state: job_pb2.StepState.Value(f"STEP_STATE_{state.name}") for state in StepState}
_STATES_BY_NUMBER = {number: state for state, number in JOB_STATES.items()}


def read_create(request: job_service_pb2.CreateJobRequest) -> RunRequest:
    """What to run."""
    return RunRequest(
        entrypoint=request.entrypoint,
        entrypoint_snapshot=request.entrypoint_snapshot,
        experiment=request.experiment,
        queue=request.queue,
        parameters=read_mapping(request.parameters),
        artifact_inputs=dict(request.artifact_inputs),
        swaps=dict(request.swaps),
        description=request.description,
        timeout_seconds=request.timeout_seconds,
    )


def read_filter(request: job_service_pb2.ListJobsRequest) -> JobFilter:
    """Which jobs to list.

    Raises:
        InvalidRequestError: A state is none.
    """
    unknown = [number for number in request.states if number not in _STATES_BY_NUMBER]
    if unknown:
        raise InvalidRequestError(f"states has {unknown[0]}, which is no state of a job")
    return JobFilter(
        states=tuple(_STATES_BY_NUMBER[number] for number in request.states),
        experiment=request.experiment,
        entrypoint=request.entrypoint,
        sweep_id=request.sweep_id,
    )


def write_job(
    job: JobRecord, situation: Situation | None = None, progress: Progress | None = None
) -> job_pb2.Job:
    """A job, as it is or as it was at some progress; `situation` tells why it waits, if it does."""
    now = progress or job.progress
    return job_pb2.Job(
        id=job.id,
        experiment=job.experiment,
        entrypoint=job.entrypoint,
        entrypoint_snapshot=job.entrypoint_snapshot,
        queue=job.queue,
        description=job.description,
        state=JOB_STATES[now.state],
        reason=_find_reason(job, situation, now),
        attempt=now.attempt,
        parameters=write_mapping(job.parameters),
        artifact_inputs=job.artifact_inputs,
        swaps=job.swaps,
        steps=[_write_step(step, now) for step in job.outline.steps] if job.outline else (),
        failure=None if now.failure is None else write_failure(now.failure),
        create_time=to_timestamp(job.create_time),
        group=job.group,
        owner=job.owner,
        start_time=_write_time(now.start_time),
        end_time=_write_time(now.end_time),
        sweep_id=job.sweep_id or 0,
        trial=job.trial or 0,
        retry_of=job.retry_of or 0,
        plan_digest=job.plan_digest,
        timeout_seconds=job.timeout_seconds,
        artifacts=now.artifacts,
        reused_stages=job.reused_stages,
        saved_stages=now.saved_stages,
        last_event_sequence=0 if progress else job.last_event,
    )


def write_event(
    event: JobEvent, job: JobRecord, situation: Situation | None
) -> job_service_pb2.WatchJobResponse:
    """An event of a job."""
    message = job_service_pb2.WatchJobResponse(
        sequence=event.sequence, event_time=to_timestamp(event.time)
    )
    match event.content:
        case Progress() as progress:
            message.job_state_changed.job.CopyFrom(write_job(job, situation, progress))
        case StepMoved(step=name, status=status, attempt=attempt):
            message.step_state_changed.step.CopyFrom(write_step(_find_step(job, name), status))
            message.step_state_changed.attempt = attempt
        case MetricPoint() as point:
            message.metric_logged.metric.CopyFrom(write_metric(point))
    return message


def write_end(job: JobRecord) -> job_service_pb2.WatchJobResponse:
    """The event that a job has ended, which is always its last one."""
    message = job_service_pb2.WatchJobResponse(
        sequence=job.last_event,
        event_time=to_timestamp(job.progress.end_time or job.create_time),
    )
    message.job_state_changed.job.CopyFrom(write_job(job, progress=job.progress))
    return message


def write_step(step: StepOutline, status: StepStatus) -> job_pb2.Step:
    """A step."""
    return job_pb2.Step(
        name=step.name,
        task=step.task,
        stage=step.stage,
        state=_STEP_STATES[status.state],
        start_time=_write_time(status.start_time),
        end_time=_write_time(status.end_time),
        node=status.node,
        pid=status.pid,
        try_number=status.try_number,
        cpu_seconds=status.cpu_seconds,
        peak_memory_bytes=status.peak_memory,
        gpus=status.gpus,
        exit_reason=status.exit_reason,
        after=step.after,
    )


def write_failure(failure: Failure) -> failure_pb2.Failure:
    """Why a job ended badly."""
    return failure_pb2.Failure(**failure.to_json())


def write_metric(point: MetricPoint) -> job_pb2.Metric:
    """One value of a metric."""
    return job_pb2.Metric(
        name=point.name,
        step=point.step,
        value=point.value,
        time=to_timestamp(point.time),
        graph_step=point.graph_step,
    )


def write_log(record: LogRecord) -> job_pb2.LogRecord:
    """One line."""
    return job_pb2.LogRecord(
        sequence=record.sequence,
        time=to_timestamp(record.time),
        level=logging.getLevelName(record.level),
        logger=record.logger,
        step=record.step,
        message=record.message,
        attempt=record.attempt,
    )


def _find_reason(job: JobRecord, situation: Situation | None, now: Progress) -> str:
    """Why it still waits."""
    if now.state is JobState.QUEUED:
        return now.reason or (situation.explain(job.queue) if situation else "")
    return now.reason if now.state is JobState.STARTED else ""


def _write_step(step: StepOutline, progress: Progress) -> job_pb2.Step:
    status = progress.steps.get(step.name) or StepStatus(state=untold(progress.state))
    return write_step(step, status)


def _find_step(job: JobRecord, name: str) -> StepOutline:
    steps = job.outline.steps if job.outline else ()
    unknown = StepOutline(name=name, task="", stage="")
    return next((step for step in steps if step.name == name), unknown)


def _write_time(time: dt.datetime | None) -> Timestamp | None:
    return None if time is None else to_timestamp(time)
