"""Many clients and runners at once: nothing is lost, nothing runs twice, all counts are right."""

import asyncio
import json
from collections import Counter

import grpc.aio
import sqlalchemy as sa

from dioptra_controller.database.job_tables import JOB_EVENTS, JOBS
from dioptra_ray.api.controller.v1 import job_pb2
from dioptra_ray.api.controller.v1 import job_service_pb2 as job_pb
from dioptra_ray.api.controller.v1 import sweep_service_pb2 as sweep_pb
from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.errors import PreconditionError
from dioptra_ray.wire.values import write_mapping
from tests.integration.jobs.deployment import Deployment, FakeRunner, refused, step

FINAL = {"finished", "failed", "cancelled"}


async def work(runner: FakeRunner) -> None:
    """Run everything that is assigned; every fifth job fails, what is cancelled stops."""
    while True:
        message = await runner.read()
        kind = message.WhichOneof("message")
        if kind == "cancellation":
            cancelled = pb.AttemptEnded(outcome=pb.ATTEMPT_OUTCOME_CANCELLED)
            await runner.send(runner.make(message.cancellation.lease, attempt_ended=cancelled))
        if kind == "assignment":
            lease = message.assignment.lease
            changes = pb.StepsChanged(changes=[step("data", "RUNNING"), step("data", "FINISHED")])
            failed = lease.job_id % 5 == 0
            outcome = pb.ATTEMPT_OUTCOME_FAILED if failed else pb.ATTEMPT_OUTCOME_FINISHED
            ended = pb.AttemptEnded(outcome=outcome)
            await runner.send(
                runner.make(lease, steps_changed=changes), runner.make(lease, attempt_ended=ended)
            )


async def follow(deployment: Deployment, job_id: int) -> list[int]:
    request = job_pb.WatchJobRequest(id=job_id)
    return [event.sequence async for event in deployment.jobs.WatchJob(request)]


async def follow_sweep(deployment: Deployment, sweep_id: int) -> list[int]:
    request = sweep_pb.WatchSweepRequest(id=sweep_id)
    return [t.trial async for news in deployment.sweeps.WatchSweep(request) for t in news.ended]


async def cancel(deployment: Deployment, job_id: int) -> None:
    call = deployment.jobs.CancelJob(job_pb.CancelJobRequest(id=job_id))
    try:
        await call
    except grpc.aio.AioRpcError:  # it may have ended before, and nothing else
        assert isinstance(await refused(call), PreconditionError)


async def test_a_crowd_of_clients_and_runners(deployment: Deployment) -> None:
    fixed = write_mapping({"attack": "a"})
    space = {"eps": [number / 100 for number in range(60)]}
    async with (
        deployment.runner(slots=4) as first,
        deployment.runner(slots=3) as second,
        deployment.runner(slots=1) as third,
    ):
        workers = [asyncio.create_task(work(runner)) for runner in (first, second, third)]
        sweeps = await asyncio.gather(
            *(deployment.create_sweep(space, parameters=fixed) for _ in range(2)),
        )
        jobs = await asyncio.gather(
            *(deployment.create_job(request_id=f"same-{number % 20}") for number in range(40))
        )
        ids = sorted({job.id for job in jobs})
        assert len(ids) == 20
        followed, told, _ = await asyncio.gather(
            asyncio.gather(*(follow(deployment, job_id) for job_id in ids)),
            asyncio.gather(*(follow_sweep(deployment, sweep.id) for sweep in sweeps)),
            asyncio.gather(*(cancel(deployment, job_id) for job_id in ids[::2])),
        )
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    assert all(sequence == list(range(1, len(sequence) + 1)) for sequence in followed)
    assert all(sorted(trials) == list(range(60)) for trials in told)
    states = await deployment.database.read(read_states)
    assert all(life[0] == "queued" and life[-1] in FINAL for life in states.values())
    assert all(len(life) <= 3 for life in states.values())
    for sweep in sweeps:
        ended = await deployment.get_sweep(sweep.id)
        assert ended.state == sweep_pb.SWEEP_STATE_FINISHED
        trials = await deployment.jobs.ListJobs(
            job_pb.ListJobsRequest(sweep_id=sweep.id, page_size=100)
        )
        counts = Counter(job.state for job in trials.jobs)
        assert ended.finished == counts[job_pb2.JOB_STATE_FINISHED]
        assert ended.failed == counts[job_pb2.JOB_STATE_FAILED]
        assert ended.finished + ended.failed == 60


def read_states(connection: sa.Connection) -> dict[int, list[str]]:
    """The states of each job in the order of its events, which must be dense."""
    lives: dict[int, list[str]] = {}
    last: dict[int, int] = {}
    rows = sa.select(JOB_EVENTS).order_by(JOB_EVENTS.c.job_id, JOB_EVENTS.c.sequence)
    for row in connection.execute(rows):
        assert row.sequence == last.get(row.job_id, 0) + 1
        last[row.job_id] = row.sequence
        if row.kind == "state":
            lives.setdefault(row.job_id, []).append(json.loads(row.payload)[0])
    newest = {row.id: row.last_event for row in connection.execute(sa.select(JOBS))}
    assert newest == last
    return lives
