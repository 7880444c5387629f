"""Sweeps as the client knows them, and how to read and write them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dioptra_ray.api.controller.v1 import sweep_service_pb2 as pb
from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.wire.states import job_state, sweep_state
from dioptra_ray.wire.times import find_time
from dioptra_ray.wire.values import read_mapping, write_mapping, write_value

Space = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """A sweep as it was when it was read; counts are numbers of trials."""

    id: int
    experiment: str
    entrypoint: str
    entrypoint_snapshot: int
    queue: str
    description: str
    status: str
    size: int
    queued: int
    started: int
    finished: int
    failed: int
    cancelled: int
    created: datetime | None
    ended: datetime | None
    dimensions: tuple[str, ...]
    swaps: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether every trial has ended."""
        return self.status in {"finished", "cancelled"}

    @property
    def done(self) -> int:
        """How many trials have ended."""
        return self.finished + self.failed + self.cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """One trial's row; `job` is None and `status` empty while it has no job yet."""

    trial: int
    job: int | None
    status: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    duration: float
    error: str
    artifacts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepProgress:
    """A sweep as it is now, and the trials that ended since the last message."""

    sweep: SweepRecord
    ended: tuple[TrialResult, ...]
    end_sequence: int


def read_sweep(message: pb.Sweep) -> SweepRecord:
    """Read a sweep."""
    return SweepRecord(
        id=message.id,
        experiment=message.experiment,
        entrypoint=message.entrypoint,
        entrypoint_snapshot=message.entrypoint_snapshot,
        queue=message.queue,
        description=message.description,
        status=sweep_state(message.state),
        size=message.size,
        queued=message.queued,
        started=message.started,
        finished=message.finished,
        failed=message.failed,
        cancelled=message.cancelled,
        created=find_time(message, "create_time"),
        ended=find_time(message, "end_time"),
        dimensions=tuple(message.dimensions),
        swaps=dict(message.swaps),
    )


def read_trial(message: pb.TrialResult) -> TrialResult:
    """Read one trial's row."""
    return TrialResult(
        trial=message.trial,
        job=message.job_id or None,
        status=job_state(message.state),
        parameters=read_mapping(message.parameters),
        metrics=dict(sorted(message.metrics.items())),
        duration=message.duration_seconds,
        error=message.error,
        artifacts=tuple(message.artifacts),
    )


def read_progress(message: pb.WatchSweepResponse) -> SweepProgress:
    """Read one message of a watch."""
    return SweepProgress(
        sweep=read_sweep(message.sweep),
        ended=tuple(map(read_trial, message.ended)),
        end_sequence=message.end_sequence,
    )


def write_grid(space: Mapping[str, Sequence[Any]]) -> pb.Grid:
    """Write a grid: values by parameter, the last parameter varies fastest.

    Raises:
        InvalidRequestError: A parameter has no list of values.
    """
    for name, values in space.items():
        if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__iter__"):
            raise InvalidRequestError(
                f"the space gives {values!r} for {name!r}: give a list of values, or pass what "
                "does not vary in `parameters`"
            )
    return pb.Grid(
        dimensions=[
            pb.Dimension(parameter=name, values=map(write_value, values))
            for name, values in space.items()
        ]
    )


def write_points(points: Sequence[Mapping[str, Any]]) -> pb.PointList:
    """Write a list of points."""
    return pb.PointList(points=[pb.Point(parameters=write_mapping(point)) for point in points])
