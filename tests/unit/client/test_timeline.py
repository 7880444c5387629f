"""A job's events as a trace, held to the Trace Event Format."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from dioptra_ray.client.timeline import make_timeline
from dioptra_ray.wire.jobs import JobEvent, JobRecord, MetricPoint, Step

BEGIN = datetime(2026, 1, 2, tzinfo=UTC)
AFTER = {"load": (), "train": ("load",), "report": ("load", "train")}
STAGES = {"load": "cpu", "train": "gpu", "report": "cpu-2"}


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def step(name: str, status: str = "pending", began: float = 0, ended: float = 0, **more) -> Step:
    where = {"node": "10.0.0.2" if name == "train" else "10.0.0.1", "pid": 7}
    return Step(
        name=name,
        task=f"do_{name}",
        stage=STAGES[name],
        status=status,
        started=at(began) if began else None,
        ended=at(ended) if ended else None,
        after=AFTER[name],
        **{**where, **more},
    )


def job(status: str, attempt: int = 1, **more) -> JobRecord:
    nothing = dict.fromkeys(("queue", "description", "reason", "plan_digest"), "")
    times = dict.fromkeys(("created", "started", "ended", "sweep", "trial", "retry_of"))
    return JobRecord(
        id=12, experiment="default", entrypoint="fit", entrypoint_snapshot=1, status=status,
        attempt=attempt, parameters={}, artifact_inputs={}, failure=None, timeout=0.0,
        artifact_ids=(), **{**nothing, **times, "steps": {}, **more},
    )  # fmt: skip


def log(*happened: tuple[float, JobRecord | Step | MetricPoint, int]) -> list[JobEvent]:
    events = []
    for sequence, (seconds, what, attempt) in enumerate(happened, 1):
        kind = {JobRecord: "job", Step: "step", MetricPoint: "metric"}[type(what)]
        events.append(
            JobEvent(sequence=sequence, time=at(seconds), attempt=attempt, **{kind: what})
        )
    return events


RECORD = job("finished", 2, steps={name: step(name, "finished") for name in AFTER})
# The first attempt is lost with its runner; in the second, training takes two tries.
EVENTS = log(
    (0, job("queued", 0), 0),
    (1, job("started", 1), 0),
    (2, step("load", "running", 2, try_number=1), 1),
    (3, job("queued", 1, reason="its runner was lost"), 0),
    (4, job("started", 2), 0),
    (5, step("load", "running", 5, try_number=1), 2),
    (6, step("load", "finished", 5, 6, try_number=1, cpu_seconds=0.5, peak_memory=1024), 2),
    (7, step("train", "running", 7, try_number=1, gpus=("0",)), 2),
    (7.5, MetricPoint(name="loss", step=1, value=0.5, time=at(7.5), graph_step="train"), 0),
    (8, step("train", "failed", 7, 8, try_number=1, gpus=("0",), exit_reason="node lost"), 2),
    (9, step("train", "running", 9, try_number=2, gpus=("0",)), 2),
    (9.5, MetricPoint(name="loss", step=2, value=float("nan"), time=at(9.5), graph_step="x"), 0),
    (10, step("train", "finished", 9, 10, try_number=2, gpus=("0",)), 2),
    (11, step("report", "running", 11, try_number=1), 2),
    (12, step("report", "finished", 11, 12, try_number=1), 2),
    (13, job("finished", 2), 0),
)


def slices(trace, category):
    return [event for event in trace["traceEvents"] if event.get("cat") == category]


def seconds(event):
    start = event["ts"] / 1e6 - BEGIN.timestamp()
    return round(start, 3), round(start + event["dur"] / 1e6, 3)


def check_format(trace) -> None:
    """Hold a trace to the Trace Event Format."""
    assert json.loads(json.dumps(trace, allow_nan=False)) == trace
    named = {"process_name": set(), "thread_name": set()}
    tracks: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for event in trace["traceEvents"]:
        assert {"name", "ph", "ts", "pid", "tid"} <= event.keys()
        assert all(type(event[key]) is int for key in ("ts", "pid", "tid"))
        assert event["ph"] in {"M", "X", "C", "i", "s", "f"}
        if event["ph"] == "M" and event["name"] in named:
            key = event["pid"] if event["name"] == "process_name" else (event["pid"], event["tid"])
            assert key not in named[event["name"]]
            named[event["name"]].add(key)
        if event["ph"] == "X":
            assert type(event["dur"]) is int
            assert event["dur"] >= 1
            track = tracks.setdefault((event["pid"], event["tid"]), [])
            track.append((event["ts"], event["ts"] + event["dur"]))
        if event["ph"] == "C":
            assert all(isinstance(value, int | float) for value in event["args"].values())
    assert {process for process, _ in tracks} == named["process_name"]
    assert tracks.keys() <= named["thread_name"]
    for track in tracks.values():
        ordered = sorted(track)
        assert all(end <= start for (_, end), (start, _) in pairwise(ordered))
    flows: dict[int, list[dict]] = {}
    for event in trace["traceEvents"]:
        if event["ph"] in "sf":
            flows.setdefault(event["id"], []).append(event)
            begins = tracks[event["pid"], event["tid"]]
            assert any(start <= event["ts"] < end for start, end in begins)
    for start, end in flows.values():
        assert (start["ph"], end["ph"], end["bp"]) == ("s", "f", "e")
        assert start["ts"] <= end["ts"]


def test_the_format_is_kept() -> None:
    check_format(make_timeline(RECORD, EVENTS))


def test_each_attempt_and_each_try_is_a_slice_that_says_how_it_went() -> None:
    tries = slices(make_timeline(RECORD, EVENTS), "step")
    told = [
        (one["name"], one["args"]["attempt"], one["args"]["try"], one["args"]["state"])
        for one in tries
    ]
    assert told == [
        ("load", 1, 1, "lost"),
        ("load", 2, 1, "finished"),
        ("train", 2, 1, "failed"),
        ("train", 2, 2, "finished"),
        ("report", 2, 1, "finished"),
    ]
    assert list(map(seconds, tries)) == [(2, 3), (5, 6), (7, 8), (9, 10), (11, 12)]
    assert tries[1]["args"]["cpu_seconds"] == 0.5
    assert tries[1]["args"]["peak_memory_bytes"] == 1024
    assert tries[2]["args"]["exit_reason"] == "node lost"
    assert tries[2]["args"]["gpus"] == ["0"]


def test_nodes_are_processes_and_workers_are_threads() -> None:
    trace = make_timeline(RECORD, EVENTS)
    names = {
        event["pid"]: event["args"]["name"]
        for event in trace["traceEvents"]
        if event["name"] == "process_name"
    }
    assert sorted(names.values()) == ["job 12 (fit)", "node 10.0.0.1", "node 10.0.0.2"]
    where = {one["name"]: (names[one["pid"]], one["tid"]) for one in slices(trace, "step")}
    assert where["train"] == ("node 10.0.0.2", 7)
    assert where["load"] == ("node 10.0.0.1", 7)


def test_queueing_and_waiting_are_slices_of_their_own() -> None:
    trace = make_timeline(RECORD, EVENTS)
    life = [(one["name"], *seconds(one)) for one in slices(trace, "job")]
    assert life == [
        ("queued", 0, 1),
        ("attempt 1", 1, 3),
        ("queued", 3, 4),
        ("attempt 2", 4, 13),
    ]
    waits = [
        (one["args"]["stage"], one["args"]["attempt"], one["args"]["try"], *seconds(one))
        for one in slices(trace, "wait")
    ]
    assert waits == [
        ("cpu", 1, 1, 1, 2),
        ("cpu", 2, 1, 4, 5),
        ("gpu", 2, 1, 6, 7),
        ("gpu", 2, 2, 8, 9),
        ("cpu-2", 2, 1, 10, 11),
    ]


def test_edges_lead_from_what_a_step_follows() -> None:
    trace = make_timeline(RECORD, EVENTS)
    flows = slices(trace, "edge")
    # load to each try of train and to report, train to report.
    assert [event["ph"] for event in flows] == ["s", "f"] * 4


def test_metrics_are_counters_and_what_is_no_number_is_still_there() -> None:
    counter, instant = slices(make_timeline(RECORD, EVENTS), "metric")
    assert (counter["ph"], counter["name"], counter["args"]) == ("C", "loss", {"value": 0.5})
    assert (instant["ph"], instant["name"]) == ("i", "loss = nan")


def test_a_job_that_runs_has_a_timeline_up_to_now() -> None:
    record = job("started", 1, steps={name: step(name) for name in AFTER})
    trace = make_timeline(
        record,
        log(
            (0, job("queued", 0), 0),
            (1, job("started", 1), 0),
            (2, step("load", "running", 2, try_number=1), 1),
            (3, MetricPoint(name="x", step=0, value=1.0, time=at(3), graph_step="load"), 0),
        ),
    )
    check_format(trace)
    (load,) = slices(trace, "step")
    assert (load["args"]["state"], seconds(load)) == ("running", (2, 3))


def test_a_stage_that_never_began_has_waited_to_the_end() -> None:
    record = job("cancelled", 1, steps={name: step(name, "skipped") for name in AFTER})
    trace = make_timeline(
        record,
        log(
            (0, job("queued", 0), 0),
            (1, job("started", 1), 0),
            (2, step("load", "running", 2, try_number=1), 1),
            (3, step("load", "finished", 2, 3, try_number=1), 1),
            (4, step("train", "skipped"), 1),
            (5, job("cancelled", 1), 0),
        ),
    )
    check_format(trace)
    waits = {one["args"]["stage"]: seconds(one) for one in slices(trace, "wait")}
    assert waits == {"cpu": (1, 2), "gpu": (3, 5)}


def test_a_job_that_is_leased_at_once_was_never_queued() -> None:
    record = job("started", 1, steps={name: step(name) for name in AFTER})
    trace = make_timeline(
        record,
        log(
            (0, job("queued", 0), 0),
            (0, job("started", 1), 0),
            (2, step("load", "running", 2, try_number=1), 1),
        ),
    )
    check_format(trace)
    assert [(one["name"], *seconds(one)) for one in slices(trace, "job")] == [("attempt 1", 0, 2)]
