"""`dioptra-ray sweep` against a controller that tests fill in."""

import csv

import pytest

from dioptra_ray.api.controller.v1 import job_pb2
from dioptra_ray.api.controller.v1 import sweep_service_pb2 as pb
from dioptra_ray.api.types.v1.value_pb2 import Value
from dioptra_ray.cli.chart import lines_of
from dioptra_ray.cli.sweep import _trial_line
from dioptra_ray.wire.sweeps import TrialResult
from dioptra_ray.wire.values import write_mapping

STATES = {0: job_pb2.JOB_STATE_FINISHED, 1: job_pb2.JOB_STATE_FAILED}


def trial(number, *, failed=False, **parameters):
    return pb.TrialResult(
        trial=number,
        job_id=number + 10,
        state=STATES[int(failed)],
        parameters=write_mapping(parameters),
        metrics={} if failed else {"accuracy": 1 - number / 10},
        error="ValueError: no" if failed else "",
    )


@pytest.fixture
def ended(controller):
    """Makes the controller's only sweep end with these trials."""

    def ended(*trials):
        failed = sum(bool(one.error) for one in trials)
        sweep = pb.Sweep(
            id=3,
            state=pb.SWEEP_STATE_FINISHED,
            size=len(trials),
            failed=failed,
            finished=len(trials) - failed,
            dimensions=["attack", "eps"],
        )
        controller.on("CreateSweep", lambda _: pb.CreateSweepResponse(sweep=sweep))
        controller.on("GetSweep", lambda _: pb.GetSweepResponse(sweep=sweep))
        controller.on("ListSweepResults", lambda _: pb.ListSweepResultsResponse(results=trials))
        message = pb.WatchSweepResponse(sweep=sweep, ended=trials, end_sequence=len(trials))
        controller.on("WatchSweep", lambda _, __: iter([message]))

    return ended


GOOD = [trial(0, attack="fgsm", eps=0.2), trial(1, attack="fgsm", eps=0.1)]
BAD = trial(2, failed=True, attack="pgd", eps=0.1)


def test_submit_sends_the_space_as_text(remote, controller, ended) -> None:
    ended(*GOOD)
    ran = remote(
        "sweep", "submit", "attack", "--param", "attack=fgsm,pgd", "--param", "eps=0:0.2:0.1"
    )
    assert ran.code == 0
    first, second = controller.requests[-1].grid.dimensions
    assert (first.parameter, list(first.values)) == (
        "attack",
        [Value(text="fgsm"), Value(text="pgd")],
    )
    assert [one.text for one in second.values] == ["0", "0.1", "0.2"]


def test_watching_ends_well_only_if_every_trial_does(remote, ended) -> None:
    ended(*GOOD)
    assert remote("sweep", "watch", 3).code == 0
    ended(*GOOD, BAD)
    ran = remote("sweep", "watch", 3)
    assert ran.code == 1
    assert "ValueError: no" in ran.out
    assert remote("sweep", "watch", 3, "--format", "json").json["failed"] == 1


def test_results_as_table_csv_and_json(remote, ended, tmp_path) -> None:
    ended(*GOOD, BAD)
    header = ["trial", "job", "status", "attack", "eps", "accuracy", "duration", "error"]
    assert remote("sweep", "results", 3).out.splitlines()[0].lower().split() == header
    file = tmp_path / "results.csv"
    assert remote("sweep", "results", 3, "--csv", file).code == 0
    with file.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["accuracy"] for row in rows] == ["1.0", "0.9", ""]
    assert remote("sweep", "results", 3, "--csv", "-").out == file.read_text()
    listed = remote("sweep", "results", 3, "--format", "json").json
    assert [one["metrics"] for one in listed] == [{"accuracy": 1.0}, {"accuracy": 0.9}, {}]


def test_plot_makes_a_picture(remote, ended, tmp_path) -> None:
    ended(*GOOD, BAD)
    file = tmp_path / "plot.png"
    ran = remote("sweep", "plot", 3, "-x", "eps", "-y", "accuracy", "--by", "attack", "-o", file)
    assert ran.code == 0
    assert file.read_bytes().startswith(b"\x89PNG")


def test_plot_refuses_what_is_no_column(remote, ended) -> None:
    ended(*GOOD)
    ran = remote("sweep", "plot", 3, "-x", "epsilon", "-y", "accuracy")
    assert ran.code == 1
    assert "attack, eps, accuracy" in ran.err


def test_lines_are_sorted_and_without_holes() -> None:
    columns = {
        "x": [0.2, 0.1, 0.3, "auto"],
        "y": [1, 2, None, 4],
        "by": ["a", "a", "a", "a"],
    }
    assert lines_of(columns, x="x", y="y", by="by") == {"a": [(0.1, 2), (0.2, 1), ("auto", 4)]}


def test_values_that_are_given_twice_are_warned_of(remote, ended) -> None:
    ended(*GOOD)
    ran = remote("sweep", "submit", "attack", "--param", "eps=0.1,0.2,0.1", "--format", "json")
    assert ran.code == 0
    assert "eps has 0.1 more than once" in ran.err
    assert ran.json["id"] == 3


def test_a_metric_does_not_hide_the_parameter_of_its_name() -> None:
    row = TrialResult(
        trial=1,
        job=2,
        status="finished",
        parameters={"eps": 0.1},
        metrics={"eps": 9.0, "loss": 1.0},
        duration=1.0,
        error="",
        artifacts=(),
    )
    assert _trial_line(row).endswith("eps=0.1 metrics.eps=9 loss=1")
