"""Several controllers on one PostgreSQL: it does not matter which of them one talks to."""

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from dioptra_ray.api.controller.v1 import job_pb2, queue_service_pb2
from dioptra_ray.api.controller.v1 import job_service_pb2 as job_pb
from dioptra_ray.api.controller.v1 import sweep_service_pb2 as sweep_pb
from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.client import Client
from dioptra_ray.wire.values import write_mapping, write_value
from tests.integration.jobs.deployment import step
from tests.integration.replicas.replica import Replica, Runner, execute, until

Replicas = tuple[Replica, Replica]
LISTENERS = "FROM pg_stat_activity WHERE query LIKE 'LISTEN%' OR query = 'SELECT 1'"


def states(events: list[job_pb.WatchJobResponse]) -> list[int]:
    return [e.job_state_changed.job.state for e in events if e.HasField("job_state_changed")]


class Work:
    """What some runners have run, each one job after the other."""

    def __init__(self) -> None:
        self.ran: list[tuple[int, int]] = []
        self.most = 0
        self._running = 0

    async def do(self, runner: Runner) -> None:
        """Run everything that is assigned to a runner."""
        while True:
            lease = (await runner.assignment()).lease
            self._running += 1
            self.most = max(self.most, self._running)
            # Takes some time, but no more than it must.
            await runner.report(lease, logs_appended=pb.LogsAppended())
            self.ran.append((lease.job_id, lease.attempt))
            self._running -= 1
            ended = pb.AttemptEnded(outcome=pb.ATTEMPT_OUTCOME_FINISHED)
            await runner.send(runner.make(lease, attempt_ended=ended))


def count_beats(replica: Replica) -> int:
    query = "SELECT max(beat) AS beat FROM runners WHERE controller IS NOT NULL"
    return int(execute(replica.database_url, query)[0].beat or 0)


async def read_all(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def test_submit_here_run_there_watch_here(replicas: Replicas) -> None:
    first, second = replicas
    runner = second.runner("r")
    await runner.come()
    created = await first.create_job()
    watching = asyncio.create_task(first.watch(created.id))
    ending = asyncio.create_task(first.watch_end(created.id))
    lease = (await runner.assignment()).lease
    assert (lease.job_id, lease.attempt) == (created.id, 1)
    await runner.report(lease, steps_changed=pb.StepsChanged(changes=[step("data", "RUNNING")]))
    await runner.finish(lease)
    events = await watching
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert states(events)[-1] == job_pb2.JOB_STATE_FINISHED
    assert (await ending).state == job_pb2.JOB_STATE_FINISHED


async def test_a_cancellation_reaches_the_runner_of_another_controller(replicas: Replicas) -> None:
    first, second = replicas
    runner = second.runner("r")
    await runner.come()
    created = await first.create_job()
    lease = (await runner.assignment()).lease
    await first.jobs.CancelJob(job_pb.CancelJobRequest(id=created.id))
    assert (await runner.expect("cancellation")).lease == lease
    await runner.report(lease, attempt_ended=pb.AttemptEnded(outcome=pb.ATTEMPT_OUTCOME_CANCELLED))
    assert (await first.watch_end(created.id)).state == job_pb2.JOB_STATE_CANCELLED


async def test_runners_are_seen_everywhere(replicas: Replicas) -> None:
    first, second = replicas
    here, there = first.runner("here"), second.runner("there")
    await here.come()
    await there.come(queues=["gpu"])
    for replica in replicas:
        await replica.has_runners("here", "there")
    there.hang_up()
    await first.has_runners("here")


async def test_a_runner_whose_controller_is_killed_goes_on_with_another(
    replicas: Replicas,
) -> None:
    first, second = replicas
    runner = second.runner("r")
    await runner.come()
    created = await first.create_job()
    watching = asyncio.create_task(first.watch(created.id))
    lease = (await runner.assignment()).lease
    await runner.report(lease, steps_changed=pb.StepsChanged(changes=[step("data", "RUNNING")]))
    second.kill()
    # Said while nobody listens, and sent again to the other one.
    runner.make(lease, steps_changed=pb.StepsChanged(changes=[step("data", "FINISHED")]))
    welcome = await runner.come(first, leases=[lease])
    assert welcome.committed_sequence == 1
    assert not welcome.revoked
    await runner.finish(lease)
    events = await watching
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    started, finished = job_pb2.JOB_STATE_STARTED, job_pb2.JOB_STATE_FINISHED
    assert states(events) == [job_pb2.JOB_STATE_QUEUED, started, finished]
    assert (await first.get_job(created.id)).attempt == 1


async def test_what_was_assigned_by_a_killed_controller_is_assigned_by_another(
    replicas: Replicas,
) -> None:
    first, second = replicas
    runner = second.runner("r")
    await runner.come()
    created = await first.create_job()
    lease = (await runner.assignment()).lease
    second.kill()
    # As if the assignment had been on its way.
    await runner.come(first, leases=[])
    assert (await runner.assignment()).lease == lease
    await runner.finish(lease)
    assert (await first.watch_end(created.id)).attempt == 1


async def test_a_controller_takes_the_jobs_back_of_a_runner_that_died_with_another(
    replicas: Replicas,
) -> None:
    first, second = replicas
    lost, other = second.runner("lost"), first.runner("other")
    await lost.come()
    created = await first.create_job()
    lease = (await lost.assignment()).lease
    second.kill()
    await other.come()
    again = (await other.assignment()).lease
    assert (again.job_id, again.attempt) == (created.id, 2)
    # It was not dead after all; nobody believes it any more.
    welcome = await lost.come(first, leases=[lease], slots=1, queues=["gpu"])
    assert list(welcome.revoked) == [lease]
    await lost.finish(lease)
    assert (await first.get_job(created.id)).state == job_pb2.JOB_STATE_STARTED
    await other.finish(again)
    assert (await first.watch_end(created.id)).attempt == 2


async def test_a_runner_that_left_a_frozen_controller_gets_nothing_from_it(
    replicas: Replicas,
) -> None:
    first, second = replicas
    runner = second.runner("r")
    await runner.come()
    stale = runner.call
    second.send(signal.SIGSTOP)
    await runner.come(first)
    second.send(signal.SIGCONT)
    # The one that was frozen still has its stream, and a job to give.
    created = await second.create_job()
    lease = (await runner.assignment()).lease
    assert lease.job_id == created.id
    await runner.finish(lease)
    assert (await second.watch_end(created.id)).attempt == 1
    with pytest.raises(grpc.aio.AioRpcError, match="connect again"):
        await asyncio.wait_for(read_all(stale), 20)


async def test_a_silent_runner_is_alive_if_its_controller_says_so(replicas: Replicas) -> None:
    first, second = replicas
    runner = second.runner("r")
    await runner.come()
    created = await first.create_job()
    lease = (await runner.assignment()).lease
    before = count_beats(first)
    # Each time takes a quarter of a lease, so that they take longer than the lease lasts.
    await until(lambda: count_beats(first) > before + 8)
    await runner.finish(lease)
    assert (await first.watch_end(created.id)).attempt == 1


async def test_watchers_hear_again_when_their_connection_to_the_database_was_cut(
    replicas: Replicas,
) -> None:
    first, second = replicas
    runner = second.runner("r")
    await runner.come()
    created = await first.create_job()
    lease = (await runner.assignment()).lease
    watching = asyncio.create_task(first.watch(created.id))
    assert execute(first.database_url, f"SELECT pg_terminate_backend(pid) {LISTENERS}")
    await runner.finish(lease)
    assert states(await watching)[-1] == job_pb2.JOB_STATE_FINISHED


async def test_limits_of_queues_hold_for_all_controllers_together(replicas: Replicas) -> None:
    first, second = replicas
    await first.queues.CreateQueue(
        queue_service_pb2.CreateQueueRequest(name="narrow", max_started_jobs=2)
    )
    runners = [replica.runner(f"r{n}") for n, replica in enumerate((first, second, first, second))]
    for runner in runners:
        await runner.come(queues=["narrow"], slots=5)
    work = Work()
    workers = [asyncio.create_task(work.do(runner)) for runner in runners]
    jobs = await asyncio.gather(
        *(replica.create_job(queue="narrow") for _ in range(15) for replica in replicas)
    )
    await asyncio.gather(*(replicas[job.id % 2].watch(job.id) for job in jobs))
    for worker in workers:
        worker.cancel()
    assert sorted(work.ran) == [(job.id, 1) for job in sorted(jobs, key=lambda job: job.id)]
    assert work.most <= 2


async def test_a_crowd_runs_everything_once(replicas: Replicas) -> None:
    runners = [replicas[n % 2].runner(f"r{n}") for n in range(4)]
    for runner in runners:
        await runner.come(slots=3)
    work = Work()
    workers = [asyncio.create_task(work.do(runner)) for runner in runners]
    space = sweep_pb.Grid(
        dimensions=[
            sweep_pb.Dimension(parameter="eps", values=[write_value(n / 50) for n in range(50)])
        ]
    )
    request = sweep_pb.CreateSweepRequest(
        entrypoint="attack", parameters=write_mapping({"attack": "a"}), grid=space
    )
    sweeps = [(await replica.sweeps.CreateSweep(request)).sweep for replica in replicas]
    jobs = await asyncio.gather(
        *(replicas[n % 2].create_job(request_id=f"same-{n // 2}") for n in range(40))
    )
    assert len({job.id for job in jobs}) == 20
    # Each is watched where it was not made.
    told = await asyncio.gather(
        *(replicas[n % 2 - 1].watch_sweep(sweep.id) for n, sweep in enumerate(sweeps))
    )
    await asyncio.gather(*(replicas[n % 2 - 1].watch_end(job.id) for n, job in enumerate(jobs)))
    for worker in workers:
        worker.cancel()
    assert all(sorted(trials) == list(range(50)) for trials in told)
    assert Counter(attempt for _, attempt in work.ran) == {1: 120}
    assert len(set(work.ran)) == 120


async def test_another_controller_takes_over_the_duty(replicas: Replicas) -> None:
    def on_duty(replica: Replica) -> bool:
        return "controller.on_duty" in replica.log.read_text()

    await until(lambda: any(map(on_duty, replicas)))
    one, other = replicas if on_duty(replicas[0]) else replicas[::-1]
    assert not on_duty(other)
    one.kill()
    await until(lambda: on_duty(other))


async def test_a_client_and_a_runner_that_know_both_go_on_with_the_other(
    replicas: Replicas, tmp_path: Path
) -> None:
    first, second = replicas
    both = f"ipv4:{second.address},{first.address}"
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "dioptra_workers", "--controller", both, "--ray-address",
             "local", "--num-cpus", "1", "--store-url", first.store_url, "--name", "real",
             "--scratch-dir", str(tmp_path / "scratch"), "--queues", "real"],
            stdout=log, stderr=log,
        ) as runner,
    ):  # fmt: skip
        try:
            await second.has_runners("real")
            with Client(both, patience=60) as client:
                job = await asyncio.to_thread(client.jobs.submit, "attack", {"attack": "a"})
                following = asyncio.create_task(
                    asyncio.to_thread(lambda: [e.sequence for e in client.jobs.watch(job.id)])
                )
                second.kill()
                # Once to each.
                await until(lambda: (tmp_path / "log").read_text().count("link.connected") == 2)
                await first.jobs.CancelJob(job_pb.CancelJobRequest(id=job.id))
                seen = await following
                assert seen == list(range(1, len(seen) + 1))
        finally:
            runner.send_signal(signal.SIGTERM)
            assert runner.wait(60) == 0, (tmp_path / "log").read_text()
