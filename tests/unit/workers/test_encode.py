"""Events and ends as messages."""

import math

from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.planning.plan import Plan
from dioptra_workers.runner.encode import (
    EVENTS_PER_REPORT,
    read_assignment,
    write_end,
    write_events,
)
from dioptra_workers.runner.orders import JobEnded, SavedStage, StageWaits
from dioptra_workers.stage.events import LogLine, MetricLogged, StepChanged
from dioptra_workers.stage.request import StageFailure, StoredArtifact


def test_lines_come_first_and_neighbours_of_one_kind_share_a_report_in_order():
    events = [
        StepChanged(1.5, "a", "running", "10.0.0.1", 7),
        LogLine(2.25, "INFO", "x", "a", "one"),
        LogLine(2.5, "ERROR", "y", "a", "two"),
        MetricLogged(3.0, "loss", 4, math.nan, "a"),
        StageWaits("s1", "waits for GPU=1"),
        StageWaits("s1", ""),
        LogLine(4.0, "INFO", "x", "", "three"),
    ]
    reports = list(write_events((7, 2), events))
    assert [report.WhichOneof("event") for report in reports] == [
        "logs_appended", "steps_changed", "metrics_logged", "stage_waiting", "stage_waiting",
    ]  # fmt: skip
    assert {(report.job_id, report.attempt) for report in reports} == {(7, 2)}
    (change,) = reports[1].steps_changed.changes
    assert (change.step, change.phase, change.node, change.pid) == (
        "a", pb.STEP_PHASE_RUNNING, "10.0.0.1", 7,
    )  # fmt: skip
    assert change.time.ToMilliseconds() == 1500
    said = [line.message for line in reports[0].logs_appended.lines]
    assert said == ["one", "two", "three"]
    waits = [report.stage_waiting for report in reports[3:5]]
    assert [(one.stage, one.reason) for one in waits] == [("s1", "waits for GPU=1"), ("s1", "")]
    (metric,) = reports[2].metrics_logged.values
    assert (metric.name, metric.step, metric.graph_step) == ("loss", 4, "a")
    assert math.isnan(metric.value)


def test_a_change_says_what_the_step_took():
    event = StepChanged(1.5, "a", "failed", "n", 7, 2, 0.25, 4096, ("0", "1"), "exit code 3")
    (report,) = write_events((7, 2), [event])
    (change,) = report.steps_changed.changes
    assert (change.try_number, change.cpu_seconds, change.peak_memory_bytes) == (2, 0.25, 4096)
    assert (list(change.gpus), change.exit_reason) == (["0", "1"], "exit code 3")


def test_many_events_are_split():
    events = [LogLine(1.0, "INFO", "x", "", str(n)) for n in range(EVENTS_PER_REPORT * 2 + 1)]
    reports = list(write_events((1, 1), events))
    assert [len(report.logs_appended.lines) for report in reports] == [
        EVENTS_PER_REPORT, EVENTS_PER_REPORT, 1,
    ]  # fmt: skip


def test_the_end_of_an_attempt():
    failure = StageFailure(reason="STEP_RAISED", message="bad \ud800", step="a", line=3)
    end = write_end((1, 1), JobEnded(outcome="failed", failure=failure)).attempt_ended
    assert (end.outcome, end.failure.message, end.failure.line) == (
        pb.ATTEMPT_OUTCOME_FAILED, "bad ?", 3,
    )  # fmt: skip
    artifact = StoredArtifact(name="m", key="k", manifest_json="{}")
    end = write_end((1, 1), JobEnded(outcome="finished", artifacts=(artifact,))).attempt_ended
    assert not end.HasField("failure")
    assert [(item.name, item.key) for item in end.artifacts] == [("m", "k")]


def test_what_is_kept_goes_to_the_controller_and_comes_back():
    saved = (SavedStage(stage="s0", job_id=3, key="k"), SavedStage(stage="s2", job_id=4, key=""))
    end = write_end((4, 1), JobEnded(outcome="failed", saved_stages=saved)).attempt_ended
    assignment = pb.Assignment(lease=pb.Lease(job_id=5, attempt=1), saved_stages=end.saved_stages)
    order = read_assignment(assignment, Plan(description={}, stages=()))
    assert order.saved_stages == saved


def test_an_assignment_is_an_order():
    plan = Plan(description={}, stages=())
    message = pb.Assignment(
        lease=pb.Lease(job_id=4, attempt=2),
        parameters_json=b'{"a": NaN}',
        timeout_seconds=0,
        entrypoint="e",
        artifact_inputs=[pb.ArtifactInput(name="m", artifact_id=9, outputs=["x", "y"])],
    )
    order = read_assignment(message, plan)
    assert (order.lease, order.timeout, order.job.entrypoint) == ((4, 2), None, "e")
    assert order.job.parameters_json == b'{"a": NaN}'
    assert order.job.artifact_inputs[0].outputs == ("x", "y")
    message.timeout_seconds = 1.5
    assert read_assignment(message, plan).timeout == 1.5
