"""Sweeps as messages."""

from dioptra_controller.jobs.creation import RunRequest
from dioptra_controller.jobs.sweep_counts import SweepState
from dioptra_controller.rpc.job_messages import JOB_STATES
from dioptra_controller.sweeps.creation import SweepRequest
from dioptra_controller.sweeps.records import SweepRecord
from dioptra_controller.sweeps.results import SweepNews, TrialResult
from dioptra_controller.sweeps.space import Dimension, Grid, PointList, Space
from dioptra_ray.api.controller.v1 import job_pb2
from dioptra_ray.api.controller.v1 import sweep_service_pb2 as pb
from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.wire.times import to_timestamp
from dioptra_ray.wire.values import read_mapping, read_value, write_mapping

_STATES = {state: pb.SweepState.Value(f"SWEEP_STATE_{state.name}") for state in SweepState}


def read_create(request: pb.CreateSweepRequest) -> SweepRequest:
    """What to run, and over which space.

    Raises:
        InvalidRequestError: There is no space.
    """
    run = RunRequest(
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
    return SweepRequest(run=run, space=_read_space(request))


def write_sweep(sweep: SweepRecord) -> pb.Sweep:
    """A sweep."""
    return pb.Sweep(
        id=sweep.id,
        experiment=sweep.experiment,
        entrypoint=sweep.entrypoint,
        entrypoint_snapshot=sweep.entrypoint_snapshot,
        queue=sweep.queue,
        description=sweep.description,
        state=_STATES[sweep.state],
        size=sweep.size,
        queued=sweep.queued,
        started=sweep.started,
        finished=sweep.finished,
        failed=sweep.failed,
        cancelled=sweep.cancelled,
        create_time=to_timestamp(sweep.create_time),
        group=sweep.group,
        owner=sweep.owner,
        end_time=None if sweep.end_time is None else to_timestamp(sweep.end_time),
        dimensions=sweep.dimensions,
        swaps=sweep.swaps,
    )


def write_result(result: TrialResult) -> pb.TrialResult:
    """One trial."""
    return pb.TrialResult(
        trial=result.trial,
        job_id=result.job_id or 0,
        state=JOB_STATES[result.state] if result.state else job_pb2.JOB_STATE_UNSPECIFIED,
        parameters=write_mapping(result.parameters),
        metrics=result.metrics,
        duration_seconds=result.duration_seconds,
        error=result.error,
        artifacts=result.artifacts,
    )


def write_news(news: SweepNews) -> pb.WatchSweepResponse:
    """A sweep, and what ended since the last message."""
    return pb.WatchSweepResponse(
        sweep=write_sweep(news.sweep),
        ended=map(write_result, news.ended),
        end_sequence=news.end_sequence,
    )


def _read_space(request: pb.CreateSweepRequest) -> Space:
    match request.WhichOneof("space"):
        case "grid":
            return Grid(
                tuple(
                    Dimension(
                        parameter=dimension.parameter,
                        values=tuple(map(read_value, dimension.values)),
                    )
                    for dimension in request.grid.dimensions
                )
            )
        case "points":
            return PointList(
                tuple(read_mapping(point.parameters) for point in request.points.points)
            )
        case _:
            raise InvalidRequestError("the sweep has no space; set grid or points")
