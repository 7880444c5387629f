"""Messages about one job, as a controller sends them."""

from datetime import UTC, datetime

from dioptra_ray.api.controller.v1 import job_pb2, job_service_pb2
from dioptra_ray.wire.times import to_timestamp

NOW = to_timestamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
QUEUED, STARTED = job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_STARTED
FINISHED, FAILED = job_pb2.JOB_STATE_FINISHED, job_pb2.JOB_STATE_FAILED


def job(state=QUEUED, number=7, **fields):
    return job_pb2.Job(id=number, entrypoint="train", state=state, create_time=NOW, **fields)


def changed(sequence, state):
    return job_service_pb2.WatchJobResponse(
        sequence=sequence,
        event_time=NOW,
        job_state_changed=job_service_pb2.JobStateChanged(job=job(state)),
    )


def stepped(sequence, name, state):
    step = job_pb2.Step(name=name, state=state)
    return job_service_pb2.WatchJobResponse(
        sequence=sequence,
        event_time=NOW,
        step_state_changed=job_service_pb2.StepStateChanged(step=step, attempt=1),
    )


EVENTS = [
    changed(1, QUEUED),
    changed(2, STARTED),
    stepped(3, "a", job_pb2.STEP_STATE_RUNNING),
    stepped(4, "a", job_pb2.STEP_STATE_FINISHED),
    changed(5, FINISHED),
]
