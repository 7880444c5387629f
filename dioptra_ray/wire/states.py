"""States on the wire: enums there, lower-case words here."""

from collections.abc import Callable
from typing import Any

from dioptra_ray.api.controller.v1 import job_pb2, sweep_service_pb2
from dioptra_ray.errors import InvalidRequestError


def job_state(value: "job_pb2.JobState.ValueType") -> str:
    """Say a job state: queued, started, finished, failed or cancelled; "" for none."""
    return _word(job_pb2.JobState.Name, "JOB_STATE_", value)


def step_state(value: "job_pb2.StepState.ValueType") -> str:
    """Say a step state: pending, running, finished, failed, cancelled or skipped."""
    return _word(job_pb2.StepState.Name, "STEP_STATE_", value)


def sweep_state(value: "sweep_service_pb2.SweepState.ValueType") -> str:
    """Say a sweep state: started, finished or cancelled."""
    return _word(sweep_service_pb2.SweepState.Name, "SWEEP_STATE_", value)


def parse_job_state(word: str) -> "job_pb2.JobState.ValueType":
    """Read what `job_state` says.

    Raises:
        InvalidRequestError: There is no such state.
    """
    states = {job_state(value): value for value in job_pb2.JobState.values() if value}
    if word not in states:
        raise InvalidRequestError(f"there is no job state {word!r}: use one of {', '.join(states)}")
    return states[word]


def _word(name: Callable[[Any], str], prefix: str, value: int) -> str:
    if not value:
        return ""
    try:
        return name(value).removeprefix(prefix).lower()
    except ValueError:  # a newer controller has more states
        return str(value)
