"""Where the steps of a job are: a pure value, kept as JSON in the job's row.

Only steps that somebody said something about are kept; what is not there follows from the
job's state, so a job that nobody has touched costs nothing.
"""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from dioptra_controller.jobs.state import JobState


class StepState(StrEnum):
    """Where a step is in its life."""

    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStatus:
    """Where a step is, since when, on which process, and what it took; as in the protos."""

    state: StepState
    start_time: dt.datetime | None = None
    end_time: dt.datetime | None = None
    node: str = ""
    pid: int = 0
    try_number: int = 0
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    gpus: tuple[str, ...] = ()
    exit_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChange:
    """A step began or ended, as a runner says it."""

    step: str
    state: StepState
    time: dt.datetime
    node: str = ""
    pid: int = 0
    try_number: int = 0
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    gpus: tuple[str, ...] = ()
    exit_reason: str = ""


Steps = Mapping[str, StepStatus]
_DETAILS = ("try_number", "cpu_seconds", "peak_memory", "gpus", "exit_reason")
_ALWAYS = 5


def change_step(status: StepStatus | None, change: StepChange) -> StepStatus:
    """The step after the change; a step that is repeated starts again."""
    if change.state is StepState.RUNNING:
        return StepStatus(
            state=change.state,
            start_time=change.time,
            node=change.node,
            pid=change.pid,
            try_number=change.try_number,
            gpus=change.gpus,
        )
    before = status or StepStatus(state=StepState.PENDING)
    # Only what was called has times: what was skipped or reused never began, so it never ended.
    never_began = change.state is StepState.SKIPPED or (
        change.state is StepState.FINISHED and before.start_time is None
    )
    ended = None if never_began else change.time
    return replace(
        before,
        state=change.state,
        end_time=ended,
        node=change.node or before.node,
        pid=change.pid or before.pid,
        try_number=change.try_number or before.try_number,
        cpu_seconds=change.cpu_seconds,
        peak_memory=change.peak_memory,
        gpus=change.gpus or before.gpus,
        exit_reason=change.exit_reason,
    )


def interrupt(steps: Steps, outcome: JobState, time: dt.datetime) -> dict[str, StepStatus]:
    """The steps that still ran when their job ended, as they ended with it."""
    state = StepState.CANCELLED if outcome is JobState.CANCELLED else StepState.FAILED
    return {
        name: replace(status, state=state, end_time=time)
        for name, status in steps.items()
        if status.state is StepState.RUNNING
    }


def untold(job_state: JobState) -> StepState:
    """Where a step is that nobody said anything about."""
    if job_state is JobState.FINISHED:
        return StepState.FINISHED
    return StepState.SKIPPED if job_state.is_final else StepState.PENDING


def write_steps(steps: Steps) -> str | None:
    """As JSON; None for no steps."""
    if not steps:
        return None
    content = {name: write_status(status) for name, status in steps.items()}
    return json.dumps(content, separators=(",", ":"))


def read_steps(text: str | None) -> dict[str, StepStatus]:
    """Read what `write_steps` wrote."""
    return {} if text is None else {k: read_status(v) for k, v in json.loads(text).items()}


def first_start(text: str | None) -> dt.datetime | None:
    """When the first of the steps was called, from what `write_steps` wrote."""
    if text is None:
        return None
    return _read_time(
        min((start for _, start, *_ in json.loads(text).values() if start), default=None)
    )


def write_status(status: StepStatus) -> list[Any]:
    """As a JSON list, which ends where nothing more is known."""
    times = (status.start_time, status.end_time)
    start, end = (time.timestamp() if time else None for time in times)
    content = [
        status.state.value,
        start,
        end,
        status.node,
        status.pid,
        status.try_number,
        status.cpu_seconds,
        status.peak_memory,
        list(status.gpus),
        status.exit_reason,
    ]
    while len(content) > _ALWAYS and not content[-1]:
        content.pop()
    return content


def read_status(content: list[Any]) -> StepStatus:
    """Read what `write_status` wrote, or what an older version did."""
    state, start, end, node, pid, *more = content
    known = dict(zip(_DETAILS, more, strict=False))
    known["gpus"] = tuple(known.get("gpus", ()))
    return StepStatus(
        state=StepState(state),
        start_time=_read_time(start),
        end_time=_read_time(end),
        node=node,
        pid=pid,
        **known,
    )


def _read_time(seconds: str | float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(float(seconds), dt.UTC)
