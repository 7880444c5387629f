"""Queues in scheduling: limits, priorities, runners of all queues, and why a job waits."""

from collections.abc import AsyncIterator

import sqlalchemy as sa

from dioptra_controller.database.job_tables import SWEEPS
from dioptra_controller.registry import queues
from dioptra_controller.registry.queues import Settings
from dioptra_ray.api.controller.v1 import job_pb2
from dioptra_ray.api.controller.v1 import job_service_pb2 as job_pb
from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.planning.environments import read_environment
from dioptra_ray.planning.plan import Plan
from tests.integration.jobs.deployment import Deployment, FakeRunner

STARTED, QUEUED = job_pb2.JOB_STATE_STARTED, job_pb2.JOB_STATE_QUEUED


async def put(deployment: Deployment, name: str, **settings: int) -> None:
    await deployment.database.write(
        queues.put, name, Settings(**settings), mode=queues.snapshots.Mode.UPSERT
    )


async def watch(deployment: Deployment, job_id: int) -> AsyncIterator[job_pb2.Job]:
    """The states of a job, as watchers see them."""
    async for event in deployment.jobs.WatchJob(job_pb.WatchJobRequest(id=job_id)):
        if event.HasField("job_state_changed"):
            yield event.job_state_changed.job


async def test_a_runner_of_all_queues_serves_one_that_is_made_later(deployment: Deployment) -> None:
    async with deployment.runner(queues=["*"]) as runner:
        await put(deployment, "later")
        created = await deployment.create_job(queue="later")
        assert created.state == STARTED
        await runner.finish((await runner.assignment()).lease)
        # The ordinary way, too.
        first, second = [await deployment.create_job(queue="later") for _ in range(2)]
        assert (first.state, second.state) == (STARTED, QUEUED)
        await runner.finish((await runner.assignment()).lease)
        assert (await runner.assignment()).lease.job_id == second.id


async def test_jobs_over_the_limit_of_their_queue_wait_and_say_so(deployment: Deployment) -> None:
    await put(deployment, "gpu", max_started_jobs=2)
    async with (
        deployment.runner(queues=["*"], slots=4) as one,
        deployment.runner(queues=["gpu"], slots=4) as other,
    ):
        created = [await deployment.create_job(queue="gpu") for _ in range(4)]
        assert [job.state for job in created] == [STARTED, STARTED, QUEUED, QUEUED]
        assert created[2].reason == "queue gpu runs 2 of at most 2 jobs"
        listed = (await deployment.jobs.ListJobs(job_pb.ListJobsRequest())).jobs
        assert [job.reason for job in listed] == [created[2].reason] * 2 + [""] * 2
        watched = await anext(watch(deployment, created[2].id))
        assert watched.reason == created[2].reason
        # Another queue is not held up by it.
        assert (await deployment.create_job()).state == STARTED
        leases = {
            assigned.lease.job_id: (runner, assigned.lease)
            for runner, assigned in [
                (runner, await runner.assignment())
                for runner in await busy(deployment, {one.runner_id: one, other.runner_id: other})
            ]
        }
        runner, lease = leases[created[0].id]
        await runner.finish(lease)
        found = await state_of(deployment, created[2].id, STARTED)
        assert (await deployment.get_job(created[3].id)).state == QUEUED
        # Raised, the limit counts at once.
        await put(deployment, "gpu", max_started_jobs=3)
        await state_of(deployment, created[3].id, STARTED)
        assert found.attempt == 1


async def busy(deployment: Deployment, runners: dict[str, FakeRunner]) -> list[FakeRunner]:
    """The runner of each started job."""
    infos = deployment.hub.runners()
    return [runners[info.runner_id] for info in infos for _ in range(info.started_jobs)]


async def state_of(deployment: Deployment, job_id: int, state: int) -> job_pb2.Job:
    """Wait until a job is in a state."""
    async for job in watch(deployment, job_id):
        if job.state == state:
            return job
    raise AssertionError("the job ended otherwise")


async def test_trials_count_for_the_limit_and_keep_to_it(deployment: Deployment) -> None:
    await put(deployment, "gpu", max_started_jobs=3)
    async with deployment.runner(queues=["*"], slots=9) as runner:
        single = await deployment.create_job(queue="gpu")
        await runner.assignment()
        sweep = await deployment.create_sweep(
            {"attack": ["fgsm", "pgd"], "eps": [0.1, 0.2]}, queue="gpu"
        )
        trials = [(await runner.assignment()).lease for _ in range(2)]
        assert (await deployment.create_job(queue="gpu")).state == QUEUED
        assert (await deployment.get_sweep(sweep.id)).started == 2
        await runner.finish(trials[0])
        await runner.assignment()
        assert (await deployment.get_job(single.id)).state == STARTED
        assert (await deployment.get_sweep(sweep.id)).started <= 2


async def test_a_limit_of_one_serialises_jobs(deployment: Deployment) -> None:
    await put(deployment, "gpu", max_started_jobs=1)
    async with deployment.runner(queues=["*"], slots=9) as runner:
        created = [await deployment.create_job(queue="gpu") for _ in range(3)]
        for job in created:
            assigned = await runner.assignment()
            assert assigned.lease.job_id == job.id
            running = [one.state for one in [await deployment.get_job(j.id) for j in created]]
            assert running.count(STARTED) == 1
            await runner.finish(assigned.lease)


async def test_a_queue_of_higher_priority_goes_first(deployment: Deployment) -> None:
    await put(deployment, "gpu", priority=1)
    async with deployment.runner(queues=["*"]) as runner:
        first = await deployment.create_job()
        normal = await deployment.create_job()
        high = await deployment.create_job(queue="gpu")
        order = []
        for _ in range(3):
            assigned = await runner.assignment()
            order.append(assigned.lease.job_id)
            await runner.finish(assigned.lease)
    assert order == [first.id, high.id, normal.id]


async def test_the_short_way_overtakes_nobody_of_a_higher_priority(deployment: Deployment) -> None:
    await put(deployment, "gpu", priority=1)
    high = await deployment.create_job(queue="gpu")
    async with deployment.runner(queues=["default"], slots=2) as runner:
        # Nobody who serves the other queue has room for this one.
        assert (await deployment.create_job()).state == STARTED
        await runner.assignment()
        await put(deployment, "gpu", priority=1, max_started_jobs=1)
        async with deployment.runner(queues=["*"]) as other:
            assert (await other.assignment()).lease.job_id == high.id
            waiting = await deployment.create_job(queue="gpu")
            assert (await deployment.create_job()).state == STARTED, "a full queue hinders nobody"
            assert waiting.state == QUEUED


async def test_the_oldest_jobs_of_a_full_queue_do_not_hide_others(deployment: Deployment) -> None:
    await put(deployment, "gpu", max_started_jobs=1)
    full = [await deployment.create_job(queue="gpu") for _ in range(5)]
    other = await deployment.create_job()
    async with deployment.runner(queues=["*"], slots=2) as runner:
        assigned = {(await runner.assignment()).lease.job_id for _ in range(2)}
    assert assigned == {full[0].id, other.id}


async def test_a_stage_that_waits_says_for_what(deployment: Deployment, runner: FakeRunner) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    reason = "waits for GPU=1; no node has it (largest: GPU=0)"
    for _ in range(2):  # said again after a reconnection
        await runner.report(lease, stage_waiting=pb.StageWaiting(stage="s0", reason=reason))
    found = await deployment.get_job(created.id)
    assert (found.state, found.reason) == (STARTED, f"stage s0 {reason}")
    (listed,) = (await deployment.jobs.ListJobs(job_pb.ListJobsRequest())).jobs
    assert listed.reason == found.reason
    await runner.report(lease, stage_waiting=pb.StageWaiting(stage="s0"))
    assert (await deployment.get_job(created.id)).reason == ""
    await runner.report(lease, stage_waiting=pb.StageWaiting(stage="s0", reason=reason))
    await runner.finish(lease)
    assert (await deployment.get_job(created.id)).reason == ""
    said = [(job.state, job.reason) async for job in watch(deployment, created.id)]
    waits = (STARTED, found.reason)
    assert said == [
        (QUEUED, ""),
        (STARTED, ""),
        waits,
        (STARTED, ""),
        waits,
        (job_pb2.JOB_STATE_FINISHED, ""),
    ]


async def test_what_a_lost_attempt_waited_for_is_forgotten(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    await runner.report(lease, stage_waiting=pb.StageWaiting(stage="s0", reason="waits for x"))
    await deployment.turn_clock(31)
    assert (await deployment.get_job(created.id)).reason == "no runner serves queue default"
    async with deployment.runner() as other:
        await other.assignment()
        assert (await deployment.get_job(created.id)).reason == ""


async def test_jobs_run_in_the_environment_that_their_queue_had(
    deployment: Deployment,
) -> None:
    digests = []
    for value in ("1", "2"):
        environment = read_environment(
            {"num_gpus": 1, "runtime_env": {"env_vars": {"A": value}}, "isolation": "process"}
        )
        await deployment.database.write(queues.put, "gpu", Settings(environment=environment))
        digests.append((await deployment.create_job(queue="gpu")).plan_digest)
        sweep = await deployment.create_sweep({"attack": ["fgsm"]}, queue="gpu")
        plan_of_sweep = sa.select(SWEEPS.c.plan_digest).where(SWEEPS.c.id == sweep.id)
        digests.append(
            await deployment.database.read(lambda c, q=plan_of_sweep: c.execute(q).scalar_one())
        )
    digests.append((await deployment.create_job()).plan_digest)
    assert len(set(digests)) == 5
    plans = []
    for digest in digests:
        answer = await deployment.runner_service.GetPlan(pb.GetPlanRequest(digest=digest))
        plans.append(Plan.from_json(answer.plan_json))
    variables = [plan.environment.load_runtime_env() for plan in plans]
    assert variables == [{"env_vars": {"A": value}} for value in ("1", "1", "2", "2")] + [{}]
    assert [plan.is_isolated for plan in plans] == [True] * 4 + [False]
    assert [plan.stages[0].resources.num_gpus for plan in plans] == [1, 1, 1, 1, 0]
    # A retry repeats what was.
    (first,) = [
        job
        for job in (await deployment.jobs.ListJobs(job_pb.ListJobsRequest())).jobs
        if job.plan_digest == digests[0]
    ]
    await deployment.jobs.CancelJob(job_pb.CancelJobRequest(id=first.id))
    again = await deployment.jobs.RetryJob(job_pb.RetryJobRequest(id=first.id))
    assert again.job.plan_digest == digests[0]
