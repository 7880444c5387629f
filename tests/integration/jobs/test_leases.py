"""What happens when streams break, runners vanish, and reports come twice or too late."""

import asyncio

import pytest

from dioptra_controller.scheduling.hub import Hub
from dioptra_ray.api.controller.v1 import job_pb2
from dioptra_ray.api.controller.v1 import job_service_pb2 as job_pb
from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.errors import NotFoundError, PreconditionError
from tests.integration.jobs.deployment import Deployment, FakeRunner, now, refused, step


def log(text: str) -> pb.LogsAppended:
    return pb.LogsAppended(lines=[pb.LogLine(time=now(), level="INFO", message=text)])


async def messages(deployment: Deployment, job_id: int) -> list[str]:
    listed = await deployment.jobs.ListJobLogs(job_pb.ListJobLogsRequest(id=job_id))
    return [record.message for record in listed.records]


async def gone(deployment: Deployment, runner: FakeRunner) -> None:
    """Break a runner's stream and wait until the controller has noticed."""
    runner.hang_up()
    while deployment.hub.runners():  # noqa: ASYNC110 - the hub tells nobody of it
        await asyncio.sleep(0.001)


async def test_a_runner_that_reconnects_keeps_its_leases_and_replays(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    await runner.report(lease, logs_appended=log("one"))
    await gone(deployment, runner)
    runner.make(lease, logs_appended=log("two"))
    runner.sent.insert(0, runner.sent[0])  # what was committed already comes again
    await deployment.turn_clock(29)
    welcome = await runner.connect(leases=[lease])
    assert welcome.committed_sequence == 1
    assert not welcome.revoked
    await runner.finish(lease)
    assert await messages(deployment, created.id) == ["one", "two"]
    job = await deployment.get_job(created.id)
    assert (job.state, job.attempt) == (job_pb2.JOB_STATE_FINISHED, 1)


async def test_reports_that_are_sent_twice_count_once(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    first = runner.make(lease, logs_appended=log("one"))
    await runner.send(first)
    await runner.send(first, runner.make(lease, logs_appended=log("two")))
    await runner.finish(lease)
    assert await messages(deployment, created.id) == ["one", "two"]


async def test_a_gap_in_the_reports_ends_the_stream(
    deployment: Deployment, runner: FakeRunner
) -> None:
    await deployment.create_job()
    lease = (await runner.assignment()).lease
    runner.make(lease, logs_appended=log("lost"))
    await runner.send(runner.make(lease, logs_appended=log("after")))
    with pytest.raises(ConnectionError, match="report 2 came where 1 was expected"):
        await runner.read()


async def test_the_jobs_of_a_lost_runner_are_queued_again(deployment: Deployment) -> None:
    created = await deployment.create_job()
    async with deployment.runner() as first:
        lease = (await first.assignment()).lease
        await first.report(lease, steps_changed=pb.StepsChanged(changes=[step("data", "RUNNING")]))
        await gone(deployment, first)
        await deployment.turn_clock(29)
        assert (await deployment.get_job(created.id)).state == job_pb2.JOB_STATE_STARTED
        await deployment.turn_clock(2)
        queued = await deployment.get_job(created.id)
        assert queued.state == job_pb2.JOB_STATE_QUEUED
        assert queued.steps[0].state == job_pb2.STEP_STATE_PENDING
        async with deployment.runner() as second:
            again = (await second.assignment()).lease
            assert (again.job_id, again.attempt) == (created.id, 2)
            # The first one comes back from the dead; nobody believes it any more.
            welcome = await first.connect(leases=[lease])
            assert list(welcome.revoked) == [lease]
            await first.report(lease, logs_appended=log("ghost"))
            await first.fail(lease)
            await second.finish(again)
    said = await messages(deployment, created.id)
    assert said == ["attempt 1 was lost with runner runner-1; the job is queued again"]
    assert (await deployment.get_job(created.id)).state == job_pb2.JOB_STATE_FINISHED


async def test_a_job_whose_runners_are_lost_three_times_fails(deployment: Deployment) -> None:
    created = await deployment.create_job()
    for attempt in (1, 2, 3):
        async with deployment.runner() as runner:
            assert (await runner.assignment()).lease.attempt == attempt
            await gone(deployment, runner)
        await deployment.turn_clock(31)
    job = await deployment.get_job(created.id)
    assert job.state == job_pb2.JOB_STATE_FAILED
    assert job.failure.reason == "RUNNER_LOST"
    states = [
        event.job_state_changed.job.state
        async for event in deployment.jobs.WatchJob(job_pb.WatchJobRequest(id=created.id))
    ]
    queued, started = job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_STARTED
    assert states == [queued, started] * 3 + [job_pb2.JOB_STATE_FAILED]


async def test_heartbeats_extend_leases_and_silence_ends_the_stream(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    for _ in range(3):
        await deployment.turn_clock(20)
        await runner.report(lease, logs_appended=log("alive"))
    assert (await deployment.get_job(created.id)).attempt == 1
    await deployment.turn_clock(31)
    with pytest.raises(ConnectionError, match="UNAVAILABLE"):
        await runner.read()
    # Nobody else serves the queue, so it waits.
    assert (await deployment.get_job(created.id)).state == job_pb2.JOB_STATE_QUEUED


async def test_an_assignment_that_never_arrived_is_sent_again(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    await gone(deployment, runner)
    # It does not know of the lease: the stream broke before.
    await runner.connect(leases=[])
    again = await runner.assignment()
    assert again.lease == lease
    assert again.parameters_json
    await runner.finish(lease)
    assert (await deployment.get_job(created.id)).attempt == 1


async def test_a_second_stream_of_a_runner_replaces_the_first(
    deployment: Deployment, runner: FakeRunner
) -> None:
    first = runner.call
    await runner.connect()
    assert await first.code() is not None
    await deployment.create_job()
    await runner.finish((await runner.assignment()).lease)
    assert len(deployment.hub.runners()) == 1


async def test_jobs_of_a_runner_that_never_returns_after_a_restart_are_queued_again(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    await runner.assignment()
    await gone(deployment, runner)
    await deployment.hub.stop()
    restarted = Hub(deployment.database, clock=deployment.clock)
    await restarted.start(lease_seconds=30)
    try:
        deployment.clock.seconds += 29
        await restarted.check_leases()
        assert (await deployment.get_job(created.id)).state == job_pb2.JOB_STATE_STARTED
        deployment.clock.seconds += 2
        await restarted.check_leases()
        assert (await deployment.get_job(created.id)).state == job_pb2.JOB_STATE_QUEUED
    finally:
        await restarted.stop()


async def test_a_queued_job_is_cancelled_at_once(deployment: Deployment) -> None:
    created = await deployment.create_job()
    request = job_pb.CancelJobRequest(id=created.id)
    for _ in range(2):
        job = (await deployment.jobs.CancelJob(request)).job
        assert job.state == job_pb2.JOB_STATE_CANCELLED
        assert {s.state for s in job.steps} == {job_pb2.STEP_STATE_SKIPPED}


async def test_a_started_job_is_cancelled_by_its_runner(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    request = job_pb.CancelJobRequest(id=created.id)
    assert (await deployment.jobs.CancelJob(request)).job.state == job_pb2.JOB_STATE_STARTED
    assert (await runner.expect("cancellation")).lease == lease
    await runner.report(lease, attempt_ended=pb.AttemptEnded(outcome=pb.ATTEMPT_OUTCOME_CANCELLED))
    assert (await deployment.get_job(created.id)).state == job_pb2.JOB_STATE_CANCELLED
    finished = await deployment.create_job()
    await runner.finish((await runner.assignment()).lease)
    request = job_pb.CancelJobRequest(id=finished.id)
    assert isinstance(await refused(deployment.jobs.CancelJob(request)), PreconditionError)


async def test_a_cancelled_job_of_a_lost_runner_ends_with_the_lease(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    await gone(deployment, runner)
    await deployment.jobs.CancelJob(job_pb.CancelJobRequest(id=created.id))
    await deployment.turn_clock(31)
    assert (await deployment.get_job(created.id)).state == job_pb2.JOB_STATE_CANCELLED
    assert list((await runner.connect(leases=[lease])).revoked) == [lease]


async def test_a_runner_hears_on_return_what_was_cancelled_meanwhile(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    await gone(deployment, runner)
    await deployment.jobs.CancelJob(job_pb.CancelJobRequest(id=created.id))
    await runner.connect(leases=[lease])
    assert (await runner.expect("cancellation")).lease == lease
    # Asked again as long as it has not stopped.
    await deployment.hub.check_leases()
    assert (await runner.expect("cancellation")).lease == lease


async def test_a_job_that_is_long_overdue_fails(deployment: Deployment, runner: FakeRunner) -> None:
    created = await deployment.create_job(timeout_seconds=100)
    lease = (await runner.assignment()).lease
    for seconds in (29, 29, 29, 29):
        await deployment.turn_clock(seconds)
        await runner.report(lease, logs_appended=log("still here"))
    assert (await deployment.get_job(created.id)).state == job_pb2.JOB_STATE_STARTED
    await deployment.turn_clock(20)
    job = await deployment.get_job(created.id)
    assert (job.state, job.failure.reason) == (job_pb2.JOB_STATE_FAILED, "TIMEOUT")
    assert (await runner.expect("cancellation")).lease == lease
    await runner.finish(lease)
    assert (await deployment.get_job(created.id)).state == job_pb2.JOB_STATE_FAILED


async def test_a_job_with_a_broken_artifact_fails_and_shows_none(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    stored = [
        pb.StoredArtifact(name="scores", key="k1", manifest_json="{}"),
        pb.StoredArtifact(name="other", key="k2", manifest_json="{}"),
    ]
    ended = pb.AttemptEnded(outcome=pb.ATTEMPT_OUTCOME_FINISHED, artifacts=stored)
    await runner.report(lease, attempt_ended=ended)
    job = await deployment.get_job(created.id)
    assert (job.state, job.failure.reason) == (job_pb2.JOB_STATE_FAILED, "ARTIFACT_FAILED")
    assert not job.artifacts


async def test_runners_of_another_store_or_version_are_refused(deployment: Deployment) -> None:
    for fields, text in (
        ({"store_url": "s3://elsewhere"}, "FAILED_PRECONDITION.*elsewhere"),
        ({"version": "9.9.9"}, "FAILED_PRECONDITION.*9.9.9"),
        ({"queues": []}, "INVALID_ARGUMENT.*no queue"),
        ({"slots": 0}, "INVALID_ARGUMENT.*slots"),
        ({"runner_id": ""}, "INVALID_ARGUMENT.*runner_id"),
    ):
        with pytest.raises(ConnectionError, match=text):
            await FakeRunner(deployment, "other").connect(**fields)
    assert not deployment.hub.runners()


async def test_the_hub_knows_its_runners_and_why_jobs_wait(
    deployment: Deployment, runner: FakeRunner
) -> None:
    first = await deployment.create_job()
    await runner.assignment()
    waiting = await deployment.create_job()
    text = "waiting for a free slot of runner runner-1 (1 of 1 in use)"
    assert (await deployment.get_job(waiting.id)).reason == text
    assert (await deployment.get_job(first.id)).reason == ""
    await runner.beat()
    (info,) = deployment.hub.runners()
    assert (info.name, info.queues, info.slots, info.started_jobs) == (
        "runner-1",
        ("default",),
        1,
        1,
    )


async def test_an_unknown_plan_is_not_found(deployment: Deployment) -> None:
    request = pb.GetPlanRequest(digest="sha256:none")
    assert isinstance(await refused(deployment.runner_service.GetPlan(request)), NotFoundError)


async def goodbye(runner: FakeRunner) -> None:
    """Leave, and wait until the controller has ended the stream."""
    await runner.call.write(pb.ConnectRequest(goodbye=pb.Goodbye()))
    with pytest.raises(ConnectionError, match="OK"):
        await runner.expect("nothing")


async def test_a_runner_that_leaves_hands_its_jobs_back_at_once(deployment: Deployment) -> None:
    created = await deployment.create_job()
    async with deployment.runner() as first, deployment.runner(queues=["other"]):
        lease = (await first.assignment()).lease
        await first.send(first.make(lease, logs_appended=log("before")))
        await goodbye(first)
        job = await deployment.get_job(created.id)
        assert (job.state, job.attempt) == (job_pb2.JOB_STATE_QUEUED, 1)
        said = await messages(deployment, created.id)
        assert said[0] == "before"
        assert "was stopped and handed attempt 1 back; the job is queued again" in said[1]
        watched = deployment.jobs.WatchJob(job_pb.WatchJobRequest(id=created.id))
        events = [await watched.read() for _ in range(3)]
        watched.cancel()
        assert "handed attempt 1 back" in events[2].job_state_changed.job.reason
    async with deployment.runner() as second:
        again = (await second.assignment()).lease
        assert (again.job_id, again.attempt) == (created.id, 2)
        await second.finish(again)
    assert (await deployment.get_job(created.id)).state == job_pb2.JOB_STATE_FINISHED


async def test_leaving_is_no_failure_however_often(deployment: Deployment) -> None:
    created = await deployment.create_job()
    for attempt in range(1, 6):
        async with deployment.runner() as runner:
            assert (await runner.assignment()).lease.attempt == attempt
            await goodbye(runner)
    assert (await deployment.get_job(created.id)).state == job_pb2.JOB_STATE_QUEUED


async def test_what_was_to_be_stopped_is_cancelled_when_its_runner_leaves(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    await runner.assignment()
    await deployment.jobs.CancelJob(job_pb.CancelJobRequest(id=created.id))
    await goodbye(runner)
    assert (await deployment.get_job(created.id)).state == job_pb2.JOB_STATE_CANCELLED


async def test_runners_that_are_known_to_be_dead_are_not_waited_for(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    await runner.assignment()
    await deployment.hub.stop()
    hub = Hub(deployment.database)
    deployment.database.on_commit = hub.committed
    await hub.start(30, forget_runners=True)
    await hub.stop()
    job = await deployment.get_job(created.id)
    assert (job.state, job.attempt) == (job_pb2.JOB_STATE_QUEUED, 1)


async def test_a_runner_that_drains_is_given_nothing_new(deployment: Deployment) -> None:
    async with deployment.runner(slots=2) as first:
        held = await deployment.create_job()
        lease = (await first.assignment()).lease
        await first.beat(draining=True)
        await first.report(lease, logs_appended=log("heard"))
        waiting = await deployment.create_job()
        assert waiting.state == job_pb2.JOB_STATE_QUEUED
        await gone(deployment, first)
        await first.connect(leases=[lease], slots=2, draining=True)
        await first.finish(lease)
        assert (await deployment.get_job(held.id)).state == job_pb2.JOB_STATE_FINISHED
        async with deployment.runner() as second:
            assert (await second.assignment()).lease.job_id == waiting.id
