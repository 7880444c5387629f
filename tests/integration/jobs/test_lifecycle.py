"""A job from its creation to its end, over the real calls and the real runner stream."""

import math

import grpc.aio

from dioptra_ray.api.controller.v1 import job_pb2
from dioptra_ray.api.controller.v1 import job_service_pb2 as job_pb
from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.errors import (
    InvalidDescriptionError,
    InvalidRequestError,
    NotFoundError,
    OutOfRangeError,
    PreconditionError,
)
from dioptra_ray.wire.values import TextValue, read_mapping
from tests.integration.jobs.deployment import Deployment, FakeRunner, now, refused, step


async def test_a_job_runs_from_creation_to_its_artifacts(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job(parameters={"attack": "pgd", "eps": TextValue("0.25")})
    assigned = await runner.assignment()
    assert (assigned.lease.job_id, assigned.lease.attempt) == (created.id, 1)
    assert assigned.parameters_json == b'{"eps": 0.25, "attack": "pgd", "layers": [1, 2]}'
    assert assigned.entrypoint == "attack"
    assert assigned.timeout_seconds == 24 * 3600
    plan = await deployment.runner_service.GetPlan(pb.GetPlanRequest(digest=assigned.plan_digest))
    assert '"stages"' in plan.plan_json
    await runner.report(
        assigned.lease,
        steps_changed=pb.StepsChanged(
            changes=[
                step("data", "RUNNING", node="10.0.0.1", pid=42),
                step("data", "FINISHED"),
                step("score", "RUNNING"),
            ]
        ),
    )
    running = await deployment.get_job(created.id)
    assert running.state == job_pb2.JOB_STATE_STARTED
    assert [(s.name, s.task, s.state) for s in running.steps] == [
        ("data", "load", job_pb2.STEP_STATE_FINISHED),
        ("score", "hit", job_pb2.STEP_STATE_RUNNING),
    ]
    assert (running.steps[0].node, running.steps[0].pid) == ("10.0.0.1", 42)
    assert running.steps[0].stage
    await runner.finish(assigned.lease, artifacts=("scores",))
    finished = await deployment.get_job(created.id)
    assert finished.state == job_pb2.JOB_STATE_FINISHED
    assert finished.HasField("start_time")
    assert finished.HasField("end_time")
    assert len(finished.artifacts) == 1
    assert read_mapping(finished.parameters) == {"eps": 0.25, "attack": "pgd", "layers": [1, 2]}


async def test_what_a_job_stored_can_be_read_by_the_next(
    deployment: Deployment, runner: FakeRunner
) -> None:
    await deployment.create_job()
    await runner.finish((await runner.assignment()).lease, artifacts=("scores",))
    (artifact,) = (await deployment.get_job(1)).artifacts
    reader = await deployment.create_job("read", artifact_inputs={"table": artifact})
    assigned = await runner.assignment()
    assert assigned.lease.job_id == reader.id
    (given,) = assigned.artifact_inputs
    assert (given.name, given.artifact_id, given.key) == ("table", artifact, "artifacts/1/1/scores")
    assert (given.task, list(given.outputs)) == ("lab.artifacts.Table", ["table"])
    assert given.plugin_digest.startswith("sha256:")
    assert '"scores.csv"' in given.manifest_json


async def test_the_event_log_is_dense_and_ends_with_the_terminal_event(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    await runner.report(lease, steps_changed=pb.StepsChanged(changes=[step("data", "RUNNING")]))
    value = pb.MetricValue(name="loss", value=math.nan, time=now(), graph_step="data")
    await runner.report(lease, metrics_logged=pb.MetricsLogged(values=[value]))
    await runner.fail(lease)
    watched = [e async for e in deployment.jobs.WatchJob(job_pb.WatchJobRequest(id=created.id))]
    assert [event.sequence for event in watched] == list(range(1, 7))
    kinds = [event.WhichOneof("event") for event in watched]
    assert kinds == [
        "job_state_changed",
        "job_state_changed",
        "step_state_changed",
        "metric_logged",
        "step_state_changed",
        "job_state_changed",
    ]
    assert watched[0].job_state_changed.job.state == job_pb2.JOB_STATE_QUEUED
    assert watched[1].job_state_changed.job.attempt == 1
    assert math.isnan(watched[3].metric_logged.metric.value)
    last = watched[-1].job_state_changed.job
    assert last.failure.error_type == "ValueError"
    assert last.failure.line == 7
    assert [s.state for s in last.steps] == [
        job_pb2.STEP_STATE_FAILED,
        job_pb2.STEP_STATE_SKIPPED,
    ]
    resumed = deployment.jobs.WatchJob(job_pb.WatchJobRequest(id=created.id, after_sequence=4))
    assert [event.sequence async for event in resumed] == [5, 6]
    ended = deployment.jobs.WatchJob(job_pb.WatchJobRequest(id=created.id, after_sequence=6))
    assert [event async for event in ended] == []
    beyond = deployment.jobs.WatchJob(job_pb.WatchJobRequest(id=created.id, after_sequence=7))
    assert isinstance(await refused(beyond.read()), OutOfRangeError)


async def test_a_watcher_is_woken_by_each_change(deployment: Deployment) -> None:
    created = await deployment.create_job(queue="gpu")
    watch = deployment.jobs.WatchJob(job_pb.WatchJobRequest(id=created.id))
    first = await watch.read()
    assert first.job_state_changed.job.reason == "no runner serves queue gpu"
    async with deployment.runner(queues=["gpu"]) as other:
        second = await watch.read()
        assert second.job_state_changed.job.state == job_pb2.JOB_STATE_STARTED
        await other.finish((await other.assignment()).lease)
        third = await watch.read()
        assert third.job_state_changed.job.state == job_pb2.JOB_STATE_FINISHED


async def test_logs_come_back_in_order_and_can_be_filtered(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    watch = deployment.jobs.WatchJobLogs(job_pb.WatchJobLogsRequest(id=created.id))
    lines = [
        pb.LogLine(time=now(), level=level, logger=logger, step=where, message=text)
        for level, logger, where, text in [
            ("INFO", "stdout", "data", "loading <class 'int'> & co"),
            ("WARNING", "lab.data", "data", "slow\0disk"),
            ("error", "stderr", "", "oh"),
        ]
    ]
    await runner.report(lease, logs_appended=pb.LogsAppended(lines=lines))
    live = await watch.read()
    assert [record.sequence for record in live.records] == [1, 2, 3]
    await runner.finish(lease)
    assert await watch.read() is grpc.aio.EOF
    pages = []
    token = ""
    while True:
        request = job_pb.ListJobLogsRequest(id=created.id, page_size=2, page_token=token)
        page = await deployment.jobs.ListJobLogs(request)
        pages.append([record.message for record in page.records])
        token = page.next_page_token
        if not token:
            break
    assert pages == [["loading <class 'int'> & co", "slow␀disk"], ["oh"]]
    loud = await deployment.jobs.ListJobLogs(
        job_pb.ListJobLogsRequest(id=created.id, level="warning", step="data")
    )
    assert [(r.level, r.logger, r.attempt) for r in loud.records] == [("WARNING", "lab.data", 1)]
    wrong = job_pb.ListJobLogsRequest(id=created.id, level="loud")
    assert "DEBUG" in str(await refused(deployment.jobs.ListJobLogs(wrong)))


async def test_metrics_keep_the_latest_value_of_each_step(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    values = [
        pb.MetricValue(name=name, step=at, value=value, time=now())
        for name, at, value in [
            ("loss", 1, 0.5),
            ("loss", 0, math.nan),
            ("acc", 0, -math.inf),
            ("loss", 1, math.inf),
            ("no good", 0, 1.0),
        ]
    ]
    await runner.report(lease, metrics_logged=pb.MetricsLogged(values=values[:2]))
    await runner.report(lease, metrics_logged=pb.MetricsLogged(values=values[2:]))
    listed = await deployment.jobs.ListJobMetrics(job_pb.ListJobMetricsRequest(id=created.id))
    found = [(m.name, m.step, m.value) for m in listed.metrics]
    assert found[0] == ("acc", 0, -math.inf)
    assert found[1][:2] == ("loss", 0)
    assert math.isnan(found[1][2])
    assert found[2] == ("loss", 1, math.inf)
    assert len(found) == 3
    logs = await deployment.jobs.ListJobLogs(job_pb.ListJobLogsRequest(id=created.id))
    assert "'no good' was not stored" in logs.records[0].message


async def test_everything_wrong_with_a_job_is_said_at_once(deployment: Deployment) -> None:
    error = await refused(
        deployment.create_job(
            parameters={"eps": "much", "layers": TextValue("{}"), "speed": 1},
            artifact_inputs={"table": 1},
        )
    )
    assert isinstance(error, InvalidDescriptionError)
    assert sorted((issue.code, issue.path) for issue in error.issues) == [
        ("job.artifact.unknown", "$.artifact_inputs.table"),
        ("job.parameter.missing", "$.parameters.attack"),
        ("job.parameter.unknown", "$.parameters.speed"),
        ("job.parameter.value", "$.parameters.eps"),
        ("job.parameter.value", "$.parameters.layers"),
    ]
    listed = await deployment.jobs.ListJobs(job_pb.ListJobsRequest())
    assert not listed.jobs


async def test_what_does_not_exist_is_not_found(deployment: Deployment) -> None:
    for fields in (
        {"entrypoint": "atack"},
        {"entrypoint_snapshot": 9},
        {"queue": "none"},
        {"experiment": "none"},
        {"entrypoint": "read", "artifact_inputs": {"table": 5}},
    ):
        assert isinstance(await refused(deployment.create_job(**fields)), NotFoundError), fields
    assert isinstance(await refused(deployment.get_job(1)), NotFoundError)
    request = job_pb.CancelJobRequest(id=1)
    assert isinstance(await refused(deployment.jobs.CancelJob(request)), NotFoundError)


async def test_artifacts_must_fit_the_artifact_parameter(deployment: Deployment) -> None:
    for lineage, code in (
        ({}, "job.artifact.unreadable"),
        ({"task": "a.B.C", "outputs": [("x", "number"), ("y", "number")]}, "job.artifact.outputs"),
        ({"task": "a.B.C", "outputs": [("x", "string")]}, "job.artifact.type"),
    ):
        artifact = await deployment.record_artifact(**lineage)
        error = await refused(deployment.create_job("read", artifact_inputs={"table": artifact}))
        assert isinstance(error, InvalidDescriptionError)
        assert [issue.code for issue in error.issues] == [code]
    artifact = await deployment.record_artifact(task="a.B.C", outputs=[("other", "number")])
    assert (await deployment.create_job("read", artifact_inputs={"table": artifact})).id


async def test_a_timeout_must_be_a_time(deployment: Deployment) -> None:
    for seconds in (-1.0, math.nan, math.inf):
        error = await refused(deployment.create_job(timeout_seconds=seconds))
        assert isinstance(error, InvalidRequestError)


async def test_a_repeated_request_makes_one_job(deployment: Deployment) -> None:
    first = await deployment.create_job(request_id="once")
    again = await deployment.create_job(request_id="once")
    assert again.id == first.id
    other = await deployment.create_job(request_id="twice")
    assert other.id != first.id


async def test_an_ended_job_can_be_repeated(deployment: Deployment, runner: FakeRunner) -> None:
    created = await deployment.create_job(parameters={"attack": "pgd"})
    retry = job_pb.RetryJobRequest(id=created.id, request_id="again")
    assert isinstance(await refused(deployment.jobs.RetryJob(retry)), PreconditionError)
    await runner.fail((await runner.assignment()).lease)
    repeated = (await deployment.jobs.RetryJob(retry)).job
    assert repeated.retry_of == created.id
    assert repeated.plan_digest == created.plan_digest
    assert repeated.parameters == created.parameters
    assert (await deployment.jobs.RetryJob(retry)).job.id == repeated.id
    assert (await runner.assignment()).lease.job_id == repeated.id


async def test_jobs_are_listed_newest_first_by_state_and_page(
    deployment: Deployment, runner: FakeRunner
) -> None:
    ids = [(await deployment.create_job()).id for _ in range(5)]
    await runner.finish((await runner.assignment()).lease)
    first = await deployment.jobs.ListJobs(job_pb.ListJobsRequest(page_size=3))
    assert [job.id for job in first.jobs] == ids[:1:-1]
    rest = job_pb.ListJobsRequest(page_size=3, page_token=first.next_page_token)
    assert [j.id for j in (await deployment.jobs.ListJobs(rest)).jobs] == ids[1::-1]
    states = [job_pb2.JOB_STATE_FINISHED]
    finished = await deployment.jobs.ListJobs(job_pb.ListJobsRequest(states=states))
    assert [job.id for job in finished.jobs] == ids[:1]
    other = job_pb.ListJobsRequest(page_token=first.next_page_token, states=states)
    assert isinstance(await refused(deployment.jobs.ListJobs(other)), InvalidRequestError)
