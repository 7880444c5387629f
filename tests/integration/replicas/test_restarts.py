"""A controller that is stopped in good order, and started again, while clients go on."""

import asyncio
import signal
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import grpc.aio
import pytest
import pytest_asyncio

from dioptra_ray.api.controller.v1 import job_pb2
from dioptra_ray.api.controller.v1 import job_service_pb2 as job_pb
from dioptra_ray.client import Client
from tests.integration.replicas.replica import Replica, execute, fill

RESTARTS = 3
SUBMITS = 200


@pytest_asyncio.fixture
async def single(tmp_path: Path) -> AsyncIterator[Replica]:
    """One controller on SQLite."""
    url = f"sqlite:///{tmp_path / 'controller.db'}"
    fill(url)
    replica = Replica(tmp_path, url, "single")
    replica.begin()
    await replica.ready()
    try:
        yield replica
    finally:
        await replica.channel.close()
        if replica.is_running:
            replica.kill()


async def test_a_second_controller_on_an_sqlite_file_is_refused(
    single: Replica, tmp_path: Path
) -> None:
    other = Replica(tmp_path, single.database_url, "other")
    other.begin()
    assert await asyncio.to_thread(other.wait) == 2
    assert "only one controller may use it at a time" in other.log.read_text()
    assert (await single.create_job()).state == job_pb2.JOB_STATE_QUEUED


async def test_watchers_are_sent_away_with_a_reason_at_once(single: Replica) -> None:
    job = await single.create_job()
    watching = single.jobs.WatchJob(job_pb.WatchJobRequest(id=job.id))
    logs = single.jobs.WatchJobLogs(job_pb.WatchJobLogsRequest(id=job.id))
    assert (await watching.read()).sequence == 1
    waiting = single.jobs.WaitJob(job_pb.WaitJobRequest(id=job.id))
    # What was asked before it is being answered, too, though nothing comes yet.
    await single.get_job(job.id)
    single.send(signal.SIGTERM)
    assert await asyncio.to_thread(single.wait) == 0
    for call in (watching.read(), logs.read(), waiting):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_no_call_is_lost_in_rolling_restarts(single: Replica) -> None:
    runner = single.runner("r")
    with ThreadPoolExecutor(4) as threads, Client(single.address, patience=60) as client:
        watched = await single.create_job()
        watching = threads.submit(
            lambda: [event.sequence for event in client.jobs.watch(watched.id)]
        )
        submitting = [
            threads.submit(client.jobs.submit, "attack", {"attack": str(number)})
            for number in range(SUBMITS)
        ]
        for restart in range(1, RESTARTS + 1):
            # Not before some have come through since the last time.
            await asyncio.wrap_future(submitting[restart * SUBMITS // (RESTARTS + 2)])
            await single.channel.close()
            single.send(signal.SIGTERM)
            assert await asyncio.to_thread(single.wait) == 0
            single.begin()
            await single.ready()
        jobs = [await asyncio.wrap_future(future) for future in submitting]
        await runner.come()
        lease = (await runner.assignment()).lease
        assert lease.job_id == watched.id
        await runner.finish(lease)
        runner.hang_up()
        seen = await asyncio.wrap_future(watching)
    assert seen == list(range(1, len(seen) + 1))
    assert len({job.id for job in jobs}) == SUBMITS
    (row,) = execute(single.database_url, "SELECT count(*) AS jobs FROM jobs")
    assert row.jobs == SUBMITS + 1
