"""`dioptra-ray job` against a controller that tests fill in."""

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime

import pytest

from dioptra_ray.api.controller.v1 import artifact_service_pb2, job_pb2, job_service_pb2
from dioptra_ray.api.types.v1.failure_pb2 import Failure
from dioptra_ray.api.types.v1.value_pb2 import Value
from dioptra_ray.errors import InvalidDescriptionError, NotFoundError
from dioptra_ray.language.issues import Issue
from dioptra_ray.wire.times import to_timestamp

NOW = to_timestamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
QUEUED, STARTED = job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_STARTED
FINISHED, FAILED = job_pb2.JOB_STATE_FINISHED, job_pb2.JOB_STATE_FAILED
STEP = job_pb2.Step(name="train", task="train_model", state=job_pb2.STEP_STATE_FAILED)
FAILURE = Failure(
    reason="STEP_RAISED",
    message="Step 'train' failed",
    step="train",
    error_type="ValueError",
    file="my_plugin/tasks.py",
    line=12,
    traceback="Traceback ...\nValueError: no",
)


def job(state, **fields):
    return job_pb2.Job(
        id=12, entrypoint="train", state=state, create_time=NOW, start_time=NOW, **fields
    )


def changed(sequence, state):
    return job_service_pb2.WatchJobResponse(
        sequence=sequence,
        event_time=NOW,
        job_state_changed=job_service_pb2.JobStateChanged(job=job(state)),
    )


def record(message, **fields):
    return job_pb2.LogRecord(time=NOW, message=message, **fields)


LOGS = [
    record("printed", sequence=1, level="INFO", logger="stdout", step="train"),
    record("careful", sequence=2, level="WARNING", logger="my_plugin", step="train"),
]
METRICS = [
    job_pb2.Metric(name="loss", step=step, value=value, time=NOW)
    for step, value in [(1, 0.5), (2, float("nan"))]
]


@pytest.fixture
def ended(controller):
    """Makes the controller's only job end in a state."""

    def ended(state):
        failed = {"failure": FAILURE} if state == FAILED else {}
        found = job(state, steps=[STEP], **failed)
        artifacts = [artifact_service_pb2.Artifact(id=3, name="model", uri="file:///a")]
        controller.on("CreateJob", lambda _: job_service_pb2.CreateJobResponse(job=job(QUEUED)))
        controller.on("GetJob", lambda _: job_service_pb2.GetJobResponse(job=found))
        controller.on(
            "ListJobMetrics", lambda _: job_service_pb2.ListJobMetricsResponse(metrics=METRICS)
        )
        controller.on(
            "ListArtifacts",
            lambda _: artifact_service_pb2.ListArtifactsResponse(artifacts=artifacts),
        )
        controller.on("WatchJob", lambda _, __: iter([changed(1, STARTED), changed(2, state)]))
        controller.on(
            "WatchJobLogs",
            lambda _, __: iter([job_service_pb2.WatchJobLogsResponse(records=LOGS)]),
        )
        controller.on("ListJobLogs", lambda _: job_service_pb2.ListJobLogsResponse(records=LOGS))

    return ended


def test_submit_sends_text(remote, controller, ended) -> None:
    ended(FINISHED)
    ran = remote("job", "submit", "train", "-P", "eps=0.1", "-P", "name=a=b", "-A", "model=3")
    assert (ran.code, ran.out) == (0, "job 12 queued\n")
    request = controller.requests[-1]
    assert request.parameters["eps"] == Value(text="0.1")
    assert request.parameters["name"] == Value(text="a=b")
    assert request.artifact_inputs == {"model": 3}


@pytest.mark.parametrize(("reference", "job_id"), [("7:model", 7), ("model", 0)])
def test_artifacts_are_found_by_name(remote, controller, ended, reference, job_id) -> None:
    ended(FINISHED)
    assert remote("job", "submit", "train", "-A", f"trained={reference}").code == 0
    query, request = controller.requests
    assert (query.job_id, query.name) == (job_id, "model")
    assert request.artifact_inputs == {"trained": 3}


def test_an_unknown_artifact_is_not_found(remote, controller, ended) -> None:
    ended(FINISHED)
    controller.on("ListArtifacts", lambda _: artifact_service_pb2.ListArtifactsResponse())
    ran = remote("job", "submit", "train", "-A", "trained=7:model")
    assert ran.code == 3
    assert "job 7 has no artifact called 'model'" in ran.err


@pytest.mark.parametrize(
    ("state", "code"), [(FINISHED, 0), (FAILED, 1), (job_pb2.JOB_STATE_CANCELLED, 1)]
)
def test_watching_ends_as_the_job_does(remote, ended, state, code) -> None:
    ended(state)
    assert remote("job", "watch", 12).code == code
    assert remote("job", "submit", "train", "--watch").code == code


def test_watching_a_failure_says_everything(remote, ended) -> None:
    ended(FAILED)
    out = remote("job", "watch", 12).out
    for said in ("printed", "careful", "train", "ValueError", "my_plugin/tasks.py:12", "model"):
        assert said in out


def test_watching_for_a_script_is_one_event_a_line(remote, ended) -> None:
    ended(FAILED)
    ran = remote("job", "watch", 12, "--format", "json")
    assert ran.code == 1
    events = [json.loads(line) for line in ran.out.splitlines()]
    assert sorted(event["event"] for event in events) == ["job", "job", "log", "log"]
    assert [one["job"]["status"] for one in events if one["event"] == "job"] == [
        "started",
        "failed",
    ]
    assert {one["message"] for one in events if one["event"] == "log"} == {"printed", "careful"}


def test_watching_a_submission_for_a_script_keeps_stdout_clean(remote, ended) -> None:
    ended(FAILED)
    ran = remote("job", "submit", "train", "--watch", "--format", "json")
    assert ran.json["status"] == "failed"
    assert ran.json["failure"]["line"] == 12
    assert ran.json["metrics"] == {"loss": "NaN"}
    assert "careful" in ran.err


def test_show_as_text_and_as_json(remote, ended) -> None:
    ended(FAILED)
    out = remote("job", "show", 12).out
    for said in ("failed", "ValueError", "my_plugin/tasks.py:12", "train_model", " /a"):
        assert said in out
    shown = remote("job", "show", 12, "--format", "json").json
    assert [step["status"] for step in shown["steps"]] == ["failed"]
    assert shown["artifacts"][0]["id"] == 3


def test_a_timeline_is_printed_or_written(remote, ended, tmp_path) -> None:
    ended(FINISHED)
    names = [
        event["args"]["name"] for event in remote("job", "timeline", 12).json["traceEvents"][:1]
    ]
    assert names == ["job 12 (train)"]
    out = tmp_path / "trace.json"
    assert "ui.perfetto.dev" in remote("job", "timeline", 12, "-o", out).out
    assert json.loads(out.read_text())["otherData"]["job"] == 12
    written = remote("job", "timeline", 12, "-o", out, "--format", "json").json
    assert written["file"] == str(out)
    ran = remote("job", "timeline", 12, "-o", tmp_path / "nowhere" / "trace.json")
    assert ran.code == 1
    assert "cannot write" in ran.err


def test_metrics_keep_what_is_not_finite(remote, ended) -> None:
    ended(FINISHED)
    series = remote("job", "metrics", 12, "--format", "json").json["loss"]
    assert [point["value"] for point in series] == [0.5, "NaN"]


def test_logs_are_lines_or_json_lines(remote, ended) -> None:
    ended(FINISHED)
    assert remote("job", "logs", 12).out.count("\n") == 2
    lines = remote("job", "logs", 12, "--format", "json").out.splitlines()
    assert [json.loads(line)["logger"] for line in lines] == ["stdout", "my_plugin"]
    assert "printed" not in remote("job", "logs", 12, "--follow", "--level", "warning").out


def test_a_refused_submission_lists_every_problem(remote, controller) -> None:
    issues = [
        Issue(severity="error", code="parameter.type", message=f"problem {n}") for n in (1, 2)
    ]

    def refuse(_):
        raise InvalidDescriptionError("the parameters are wrong", issues)

    controller.on("CreateJob", refuse)
    ran = remote("job", "submit", "train")
    assert ran.code == 1
    assert "problem 1" in ran.err
    assert "problem 2" in ran.err
    error = remote("job", "submit", "train", "--format", "json").json["error"]
    assert [issue["message"] for issue in error["issues"]] == ["problem 1", "problem 2"]


def test_interrupting_a_watch_leaves_the_job_and_says_how_to_return(controller, ended) -> None:
    ended(STARTED)
    watched = threading.Event()

    def go_on(_, context):
        gone = threading.Event()
        context.add_callback(gone.set)
        yield changed(1, STARTED)
        watched.set()
        gone.wait(60)

    controller.on("WatchJob", go_on)
    command = [sys.executable, "-c", "from dioptra_ray.cli.main import main; main()"]
    with subprocess.Popen(
        [*command, "job", "watch", "12", "--controller", controller.address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={key: value for key, value in os.environ.items() if not key.startswith("DIOPTRA_")},
    ) as process:
        assert watched.wait(60)
        # Its first line is out, so it waits for the next event.
        assert "started" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"dioptra-ray job watch 12 --controller {controller.address}" in err
    assert "dioptra-ray job cancel 12" in err
    assert "Traceback" not in err
    assert not any(isinstance(one, job_service_pb2.CancelJobRequest) for one in controller.requests)


def test_a_list_says_when_there_are_more(remote, controller) -> None:
    def page(request):
        jobs = [job_pb2.Job(id=9 - n, state=job_pb2.JOB_STATE_FINISHED) for n in range(5)]
        return job_service_pb2.ListJobsResponse(jobs=jobs[: request.page_size])

    controller.on("ListJobs", page)
    ran = remote("job", "list", "--limit", 3)
    assert len(ran.out.splitlines()) == 4
    assert "newest 3; --limit" in ran.err
    assert "more" not in remote("job", "list", "--limit", 5).err
    assert len(remote("job", "list", "--limit", 3, "--format", "json").json) == 3


@pytest.mark.parametrize(
    ("given", "call"),
    [
        (("job", "list", "--entrypoint", "nope"), "GetEntrypoint"),
        (("job", "list", "--sweep", "99"), "GetSweep"),
        (("artifact", "list", "--job", "99"), "GetJob"),
    ],
)
def test_filters_that_name_nothing_are_not_found(remote, controller, given, call) -> None:
    def missing(_):
        raise NotFoundError("there is no such thing")

    controller.on("ListJobs", lambda _: job_service_pb2.ListJobsResponse())
    controller.on("ListArtifacts", lambda _: artifact_service_pb2.ListArtifactsResponse())
    controller.on(call, missing)
    assert remote(*given).code == 3


def test_logs_of_a_step_that_is_not_there_are_not_found(remote, ended) -> None:
    ended(FAILED)
    ran = remote("job", "logs", 12, "--step", "trian")
    assert ran.code == 3
    assert "Did you mean" in ran.err


def test_a_retry_from_where_a_job_failed(controller, remote) -> None:
    again = job_pb2.Job(id=13, state=QUEUED, retry_of=12, reused_stages=["s0", "s1"])
    controller.on("RetryJob", lambda _: job_service_pb2.RetryJobResponse(job=again))
    done = remote("job", "retry", "12", "--from-failed")
    assert done.code == 0
    assert controller.requests[-1].from_failed
    assert "job 13 queued, a retry of job 12" in done.out
    assert "s0, s1" in done.err
    shown = remote("job", "retry", "12", "--format", "json").json
    assert not controller.requests[-1].from_failed
    assert shown["reused_stages"] == ["s0", "s1"]
