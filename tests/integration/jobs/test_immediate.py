"""The short way of a job to a runner, and of its end to who waits for it."""

import asyncio

import pytest

from dioptra_ray.api.controller.v1 import job_pb2
from dioptra_ray.api.controller.v1 import job_service_pb2 as job_pb
from tests.integration.jobs.deployment import Deployment, FakeRunner

STARTED, QUEUED = job_pb2.JOB_STATE_STARTED, job_pb2.JOB_STATE_QUEUED


async def test_a_job_that_finds_a_free_slot_is_leased_with_its_creation(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    assert (created.state, created.attempt) == (STARTED, 1)
    assigned = await runner.assignment()
    assert (assigned.lease.job_id, assigned.entrypoint) == (created.id, "attack")
    await runner.finish(assigned.lease)
    watched = [e async for e in deployment.jobs.WatchJob(job_pb.WatchJobRequest(id=created.id))]
    states = [event.job_state_changed.job.state for event in watched]
    assert states == [QUEUED, STARTED, job_pb2.JOB_STATE_FINISHED]


async def test_nobody_is_overtaken_and_no_runner_gets_more_than_it_takes(
    deployment: Deployment,
) -> None:
    async with deployment.runner(slots=2) as runner:
        created = [await deployment.create_job() for _ in range(4)]
        assert [job.state for job in created] == [STARTED, STARTED, QUEUED, QUEUED]
        leases = [(await runner.assignment()).lease for _ in range(2)]
        for number in (2, 3):
            await runner.finish(leases[number - 2])
            assigned = await runner.assignment()
            assert assigned.lease.job_id == created[number].id
            leases.append(assigned.lease)


async def test_a_job_waits_behind_an_open_sweep(deployment: Deployment) -> None:
    await deployment.create_sweep({"attack": ["fgsm", "pgd"], "eps": [0.1, 0.2]})
    async with deployment.runner(slots=3) as runner:
        trials = [(await runner.assignment()).lease for _ in range(3)]
        single = await deployment.create_job()
        assert single.state == QUEUED
        await runner.finish(trials[0])
        assert (await runner.assignment()).lease.job_id in (single.id, single.id + 1)
        await runner.finish(trials[1])
        await runner.assignment()
        assert (await deployment.get_job(single.id)).state == STARTED


async def test_a_job_of_a_queue_that_no_runner_serves_waits(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job(queue="gpu")
    assert created.state == QUEUED
    async with deployment.runner(queues=["gpu"]) as other:
        assert (await other.assignment()).lease.job_id == created.id
    assert (await deployment.create_job()).state == STARTED
    await runner.assignment()


@pytest.mark.parametrize("early", [True, False])
async def test_who_waits_for_the_end_gets_the_last_event_only(
    deployment: Deployment, runner: FakeRunner, *, early: bool
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    request = job_pb.WatchJobRequest(id=created.id, end_only=True)

    async def wait() -> list[job_pb.WatchJobResponse]:
        return [event async for event in deployment.jobs.WatchJob(request)]

    waiting = asyncio.create_task(wait()) if early else None
    await runner.finish(lease, artifacts=("scores",))
    (event,) = await (waiting or wait())
    every = [e async for e in deployment.jobs.WatchJob(job_pb.WatchJobRequest(id=created.id))]
    assert event == every[-1]
    assert event.sequence == every[-1].sequence
    job = await deployment.get_job(created.id)
    assert job.last_event_sequence == event.sequence
    job.ClearField("last_event_sequence")  # which events do not have
    assert event.job_state_changed.job == job


@pytest.mark.parametrize("early", [True, False])
async def test_who_waits_for_the_end_gets_the_job_as_it_is_then(
    deployment: Deployment, runner: FakeRunner, *, early: bool
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    request = job_pb.WaitJobRequest(id=created.id)
    waiting = asyncio.ensure_future(deployment.jobs.WaitJob(request)) if early else None
    await runner.finish(lease, artifacts=("scores",))
    ended = await (waiting or deployment.jobs.WaitJob(request))
    assert ended.job == await deployment.get_job(created.id)


async def test_who_has_waited_long_enough_gets_the_job_as_it_is(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    waited = await deployment.jobs.WaitJob(job_pb.WaitJobRequest(id=created.id, seconds=0.01))
    assert waited.job == await deployment.get_job(created.id)
    assert waited.job.state == STARTED
    await runner.finish(lease)
    waited = await deployment.jobs.WaitJob(job_pb.WaitJobRequest(id=created.id, seconds=0.01))
    assert waited.job.state == job_pb2.JOB_STATE_FINISHED
