"""The table of a job's steps."""

from datetime import UTC, datetime, timedelta

import pytest

from dioptra_ray.cli.output import Output
from dioptra_ray.cli.steps import WIDTH, show_steps, size
from dioptra_ray.wire.jobs import Step

BEGIN = datetime(2026, 1, 2, tzinfo=UTC)


def step(name: str, **fields: object) -> Step:
    known = {
        "task": "train",
        "stage": "main",
        "status": "finished",
        "started": BEGIN,
        "ended": BEGIN + timedelta(seconds=75),
        "node": "10.0.0.1",
        "pid": 4711,
        "try_number": 1,
        "cpu_seconds": 1.25,
        "peak_memory": 300 * 1024**2,
    }
    return Step(name=name, **{**known, **fields})  # type: ignore[arg-type]


@pytest.fixture
def shown(capsys):
    def show(*steps: Step) -> list[str]:
        show_steps(steps, Output("text"))
        return capsys.readouterr().out.splitlines()

    return show


def test_units_are_those_of_people(shown) -> None:
    head, row = shown(step("fit"))
    assert head.split() == ["STEP", "STATUS", "TASK", "STAGE", "TOOK", "CPU", "MEMORY", "PROCESS"]
    assert row.split() == [
        "fit", "finished", "train", "main", "1m15s", "1.2s", "300", "MiB", "10.0.0.1:4711",
    ]  # fmt: skip


def test_what_is_the_same_for_all_is_left_out_until_it_is_not(shown) -> None:
    failed = {"status": "failed", "exit_reason": "raised ValueError"}
    head, *_ = shown(step("a", try_number=2), step("b", gpus=("0", "1")), step("c", **failed))
    assert {"TRY", "GPUS", "ENDED"} <= set(head.split())


def test_what_never_ran_has_no_numbers(shown) -> None:
    nothing = {"started": None, "ended": None, "pid": 0, "cpu_seconds": 0.0, "peak_memory": 0}
    _, row = shown(step("a", status="pending", try_number=0, **nothing))
    assert row.split() == ["a", "pending", "train", "main", "-", "-", "-", "-"]


@pytest.mark.parametrize("length", [5, 30, 60, 300])
def test_it_fits_a_page_however_long_the_names_are(shown, length) -> None:
    long = "x" * length
    lines = shown(
        step(long, task=long, stage=long, exit_reason="raised " + long, gpus=("0",)),
        step("short", try_number=3, status="cancelled"),
    )
    assert max(map(len, lines)) <= WIDTH
    assert "cancelled" in lines[2]


def test_sizes() -> None:
    sizes = [0, 512, 2048, 15 * 1024**2, 3 * 1024**3]
    assert [size(one) for one in sizes] == ["", "512 B", "2.0 KiB", "15 MiB", "3.0 GiB"]
