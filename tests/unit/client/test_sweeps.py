"""Sweeps through the client: spaces, progress and tables."""

import math

import pytest

from dioptra_ray.api.controller.v1 import job_pb2
from dioptra_ray.api.controller.v1 import sweep_service_pb2 as pb
from dioptra_ray.client.results import to_columns
from dioptra_ray.errors import InvalidRequestError, UnavailableError
from dioptra_ray.wire.sweeps import TrialResult
from dioptra_ray.wire.values import read_mapping, read_value, write_mapping

STARTED, FINISHED = pb.SWEEP_STATE_STARTED, pb.SWEEP_STATE_FINISHED


def sweep(state=STARTED, **counts):
    return pb.Sweep(id=3, entrypoint="attack", state=state, size=4, dimensions=["eps"], **counts)


def trial(number, state=job_pb2.JOB_STATE_FINISHED, metrics=None, **fields):
    return pb.TrialResult(
        trial=number,
        job_id=number + 10,
        state=state,
        parameters=write_mapping({"eps": number / 10}),
        metrics=metrics or {},
        duration_seconds=1.5,
        **fields,
    )


def test_a_grid_keeps_the_order_of_dimensions_and_values(controller, client) -> None:
    controller.on("CreateSweep", lambda _: pb.CreateSweepResponse(sweep=sweep()))
    submitted = client.sweeps.submit(
        "attack", space={"eps": [0.0, 0.1], "attack": ("fgsm", "pgd")}, parameters={"seed": 1}
    )
    request = controller.requests[0]
    grid = {one.parameter: list(map(read_value, one.values)) for one in request.grid.dimensions}
    assert grid == {"eps": [0.0, 0.1], "attack": ["fgsm", "pgd"]}
    assert list(grid) == ["eps", "attack"]
    assert read_mapping(request.parameters) == {"seed": 1}
    assert request.request_id
    assert (submitted.id, submitted.size, submitted.status) == (3, 4, "started")


def test_points_are_sent_one_by_one(controller, client) -> None:
    controller.on("CreateSweep", lambda _: pb.CreateSweepResponse(sweep=sweep()))
    client.sweeps.submit("attack", space=[{"eps": 0.1, "n": 1}, {"eps": 0.2, "n": 2}])
    points = [read_mapping(point.parameters) for point in controller.requests[0].points.points]
    assert points == [{"eps": 0.1, "n": 1}, {"eps": 0.2, "n": 2}]


@pytest.mark.parametrize("values", ["fgsm", 0.1, {"a": 1}])
def test_one_value_is_no_dimension(client, values) -> None:
    with pytest.raises(InvalidRequestError, match="list of values"):
        client.sweeps.submit("attack", space={"attack": values})


def test_watch_resumes_after_the_trials_that_it_has_seen(controller, client) -> None:
    trials = [trial(number) for number in range(4)]

    def watch(request, _):
        after = request.after_end_sequence
        if after < 2:
            yield pb.WatchSweepResponse(sweep=sweep(finished=2), ended=trials[:2], end_sequence=2)
            raise UnavailableError("going down")
        yield pb.WatchSweepResponse(
            sweep=sweep(FINISHED, finished=4), ended=trials[after:], end_sequence=4
        )

    controller.on("WatchSweep", watch)
    ended = [one.trial for progress in client.sweeps.watch(3) for one in progress.ended]
    assert ended == [0, 1, 2, 3]


def test_watch_goes_on_while_ended_trials_are_still_to_come(controller, client) -> None:
    trials = [trial(number) for number in range(4)]

    def watch(_, __):
        for start in (0, 2):
            yield pb.WatchSweepResponse(
                sweep=sweep(FINISHED, finished=4),
                ended=trials[start : start + 2],
                end_sequence=start + 2,
            )

    controller.on("WatchSweep", watch)
    ended = [one.trial for progress in client.sweeps.watch(3) for one in progress.ended]
    assert ended == [0, 1, 2, 3]


def test_a_cancelled_sweep_ends_without_the_trials_that_never_began(controller, client) -> None:
    cancelled = sweep(pb.SWEEP_STATE_CANCELLED, cancelled=4)
    controller.on("WatchSweep", lambda _, __: iter([pb.WatchSweepResponse(sweep=cancelled)]))
    (progress,) = client.sweeps.watch(3)
    assert progress.sweep.status == "cancelled"
    assert len(controller.requests) == 1


def test_results_are_a_table(controller, client) -> None:
    rows = [
        trial(0, metrics={"accuracy": 0.9, "loss": math.nan}),
        trial(1, job_pb2.JOB_STATE_FAILED, error="ValueError: eps"),
        pb.TrialResult(trial=2, parameters=write_mapping({"eps": 0.2})),
    ]

    def page(request):
        start = int(request.page_token or 0)
        token = str(start + 2) if start + 2 < len(rows) else ""
        return pb.ListSweepResultsResponse(results=rows[start : start + 2], next_page_token=token)

    controller.on("ListSweepResults", page)
    controller.on("GetSweep", lambda _: pb.GetSweepResponse(sweep=sweep()))
    frame = client.sweeps.results(3)
    assert list(frame.columns) == [
        "trial", "job", "status", "eps", "accuracy", "loss", "duration", "error"
    ]  # fmt: skip
    assert frame["job"].tolist()[:2] == [10, 11]
    assert frame["job"].isna().tolist() == [False, False, True]
    assert frame["eps"].tolist() == [0.0, 0.1, 0.2]
    assert frame["accuracy"].isna().tolist() == [False, True, True]
    assert frame["status"].tolist() == ["finished", "failed", ""]
    assert frame["error"].tolist()[1] == "ValueError: eps"


def test_an_empty_sweep_is_an_empty_table(controller, client) -> None:
    controller.on("ListSweepResults", lambda _: pb.ListSweepResultsResponse())
    controller.on("GetSweep", lambda _: pb.GetSweepResponse(sweep=sweep()))
    frame = client.sweeps.results(3)
    assert len(frame) == 0
    assert "eps" in frame.columns


def test_columns_that_share_a_name_are_told_apart() -> None:
    row = TrialResult(
        trial=0,
        job=1,
        status="finished",
        parameters={"eps": 1, "status": "x"},
        metrics={"eps": 2.0, "duration": 3.0},
        duration=4.0,
        error="",
        artifacts=(),
    )
    columns = to_columns([row], ["eps", "status"])
    assert columns["eps"] == [1]
    assert columns["metrics.eps"] == [2.0]
    assert columns["parameters.status"] == ["x"]
    assert columns["metrics.duration"] == [3.0]
    assert (columns["status"], columns["duration"]) == (["finished"], [4.0])
