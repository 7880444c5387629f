"""Leases and deadlines while clocks are wrong, or the controller could not hear anybody."""

import asyncio
import datetime as dt
import time

import pytest

from dioptra_ray.api.controller.v1 import job_pb2
from dioptra_ray.errors import UnavailableError
from tests.integration.jobs.deployment import Deployment, FakeRunner
from tests.integration.jobs.test_leases import gone


async def test_leases_outlast_a_controller_that_stood_still(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    looked = asyncio.Event()
    check = deployment.hub.check_leases

    async def look() -> None:
        await check()
        looked.set()

    # As if nothing had run for an hour, heartbeats included.
    deployment.hub.check_leases = look  # type: ignore[method-assign]
    deployment.hub._ticks = lambda: time.monotonic() + 3600
    deployment.clock.seconds += 3600
    await asyncio.wait_for(looked.wait(), 20)
    assert (await deployment.get_job(created.id)).attempt == 1
    await runner.finish(lease)
    job = await deployment.get_job(created.id)
    assert (job.state, job.attempt) == (job_pb2.JOB_STATE_FINISHED, 1)


async def test_leases_outlast_a_database_that_was_away(
    deployment: Deployment, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = await deployment.create_job()
    lease = (await runner.assignment()).lease
    await gone(deployment, runner)

    async def away(*_: object, **__: object) -> None:
        raise UnavailableError("the database does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(deployment.database, "write", away)
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await deployment.turn_clock(31)
    await deployment.turn_clock(29)
    assert not (await runner.connect(leases=[lease])).revoked
    assert (await deployment.get_job(created.id)).attempt == 1


@pytest.mark.parametrize("hours", [-48, 48])
async def test_a_clock_that_is_set_makes_no_job_late(
    deployment: Deployment, runner: FakeRunner, hours: int
) -> None:
    before = await deployment.create_job(timeout_seconds=100)
    lease = (await runner.assignment()).lease
    deployment.turned += dt.timedelta(hours=hours)
    await deployment.hub.check_leases()
    await runner.finish(lease)
    after = await deployment.create_job(timeout_seconds=100)
    lease = (await runner.assignment()).lease
    await deployment.hub.check_leases()
    await runner.finish(lease)
    for job in (before, after):
        ended = await deployment.get_job(job.id)
        assert (ended.state, ended.attempt) == (job_pb2.JOB_STATE_FINISHED, 1)
