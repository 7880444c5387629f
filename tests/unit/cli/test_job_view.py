"""What is drawn of a job while it is watched."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from io import StringIO

from rich.console import Console

from dioptra_ray.cli.job_view import JobView
from dioptra_ray.wire.jobs import JobEvent, JobRecord, Step

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def step(name: str, status: str = "pending", after: Iterable[str] = (), **more: object) -> Step:
    begun = status not in {"pending", "skipped"}
    known = {
        "task": "t",
        "stage": "main",
        "started": NOW if begun else None,
        "ended": NOW + timedelta(seconds=75) if begun and status != "running" else None,
        "node": "10.0.0.1" if begun else "",
        "pid": 7 if begun else 0,
    }
    return Step(name=name, status=status, after=tuple(after), **{**known, **more})  # type: ignore[arg-type]


def record(steps: Iterable[Step], status: str = "started", reason: str = "") -> JobRecord:
    nothing = dict.fromkeys(("experiment", "entrypoint", "queue", "description", "plan_digest"), "")
    times = dict.fromkeys(("created", "started", "ended", "sweep", "trial", "retry_of", "failure"))
    return JobRecord(
        id=12, entrypoint_snapshot=1, status=status, reason=reason, attempt=1, parameters={},
        artifact_inputs={}, timeout=0.0, artifact_ids=(), steps={one.name: one for one in steps},
        **nothing, **times,
    )  # fmt: skip


def drawn(
    view: JobView, *, height: int = 30, width: int = 100, encoding: str = "utf-8"
) -> list[str]:
    class Stream(StringIO):
        @property
        def encoding(self) -> str:  # type: ignore[override]
            return encoding

    console = Console(width=width, height=height, file=Stream())
    console.print(view)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


DIAMOND = [
    step("load", "finished"),
    step("left", "running", ["load"], gpus=("0",)),
    step("right", "failed", ["load"], exit_reason="raised ValueError", try_number=2),
    step("join", "pending", ["left", "right"]),
]


def test_the_graph_is_drawn_with_where_each_step_is() -> None:
    head, load, left, right, join = drawn(JobView(record(DIAMOND), stderr=True))
    assert "job 12 started  1/4 steps" in head
    assert load.split() == ["●", "load", "main", "finished", "1m15s", "10.0.0.1:7"]
    assert left.startswith("├─◐  left")
    assert "running" in left
    assert "gpu 0" in left
    assert right.startswith("✗ │  right")
    assert "failed 1m15s, try 2 (raised ValueError)" in right
    assert join.split() == ["○─╯", "join", "main", "pending"]


def test_it_changes_as_things_happen() -> None:
    view = JobView(
        record(DIAMOND, status="queued", reason="no runner serves queue gpu"), stderr=True
    )
    assert "no runner serves queue gpu" in drawn(view)[0]
    view.update(JobEvent(sequence=1, time=NOW, step=step("left", "finished", ["load"])))
    view.update(JobEvent(sequence=2, time=NOW, job=record([], status="failed")))
    head, _, left, *_ = drawn(view)
    assert "job 12 failed  2/4 steps" in head
    assert left.startswith("├─●  left")


def test_a_terminal_without_such_characters_gets_plain_ones() -> None:
    lines = drawn(JobView(record(DIAMOND), stderr=True), encoding="ascii")
    assert all(line.isascii() for line in lines[1:])
    assert lines[3].startswith("x |  right")


def test_a_thousand_steps_fit_any_terminal() -> None:
    states = ["finished"] * 600 + ["running"] * 3 + ["pending"] * 396
    steps = [step(f"step{n}", state) for n, state in enumerate(states)]
    steps.insert(300, step("broken", "failed", exit_reason="exit code 3"))
    lines = drawn(JobView(record(steps), stderr=True), height=24)
    assert len(lines) <= 24 - 4
    text = "\n".join(lines)
    assert "600/1000 steps" in text
    for said in ("broken", "exit code 3", "step600", "step602", "step603", "… 300 finished"[2:]):
        assert said in text


def test_edges_that_would_be_too_wide_are_named() -> None:
    sources = [step(f"source{n}") for n in range(20)]
    sinks = [step(f"sink{n}", "pending", [f"source{n}", f"source{19 - n}"]) for n in range(20)]
    lines = drawn(JobView(record([*sources, *sinks]), stderr=True), height=60)
    assert "sink0 ← source0, source19" in lines[21]
    assert max(map(len, lines)) <= 100
