"""A runner's life: connect to Ray, serve the controller, leave quietly on SIGTERM."""

import asyncio
import contextlib
import logging
import os
import signal
import uuid

from dioptra_workers.runner.cluster import Cluster
from dioptra_workers.runner.driver import Driver
from dioptra_workers.runner.link import Link, RefusedError
from dioptra_workers.settings import RunnerSettings

STOP_SECONDS = 10.0
GOODBYE_SECONDS = 3.0

log = logging.getLogger(__name__)


async def serve(settings: RunnerSettings) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    settings.scratch_dir.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(
        settings.ray_address, num_cpus=settings.num_cpus, temporary=settings.temporary_dir
    )
    try:
        # After Ray, which sets handlers of its own.
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        return await _serve(settings, cluster, stopped)
    finally:
        cluster.close()


async def _serve(settings: RunnerSettings, cluster: Cluster, stopped: asyncio.Event) -> int:
    driver = Driver(
        store_url=settings.store_url,
        scratch_dir=str(settings.scratch_dir),
        warm=cluster.own_cpus() if settings.warm is None else settings.warm,
        save_limit=settings.save_limit,
    )
    driver.start()
    link = Link(
        settings,
        driver,
        runner_id=uuid.uuid4().hex,
        ray_address=cluster.address,
        resources=cluster.resources,
        nodes=cluster.nodes,
    )
    warming = asyncio.create_task(driver.warm_up())
    serving = asyncio.create_task(link.run())
    stopping = asyncio.create_task(stopped.wait())
    losing = asyncio.create_task(driver.wait_until_lost())
    code = 0
    await asyncio.wait({serving, stopping, losing}, return_when=asyncio.FIRST_COMPLETED)
    if losing.done():
        # Nothing is handed back: stages may still be ending, and leases know how to run out.
        log.error("runner.ray_lost: start it again")
        os._exit(1)  # Ray, which is broken, would have a word in any other end
    losing.cancel()
    if serving.done():
        try:
            serving.result()
        except RefusedError as error:
            log.error("runner.refused: %s", error)  # noqa: TRY400 - the trace says nothing more
            code = 1
    elif settings.drain:
        stopped.clear()
        await _drain(link, settings.drain, serving, stopped)
    link.retire()
    warming.cancel()
    await asyncio.gather(warming, return_exceptions=True)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            await driver.stop()
    if not serving.done():
        # Only now: nobody else may begin the next attempt of a job that still runs here.
        link.leave()
        await asyncio.wait({serving}, timeout=GOODBYE_SECONDS)
    for task in (serving, stopping):
        task.cancel()
    await asyncio.gather(serving, stopping, return_exceptions=True)
    await link.close()
    return code


async def _drain(
    link: Link, seconds: float, serving: asyncio.Task[None], stopped: asyncio.Event
) -> None:
    """Go on with what is held, for a time, or until somebody is less patient."""
    log.info("runner.draining: for at most %g seconds", seconds)
    tasks = {asyncio.create_task(link.drain()), asyncio.create_task(stopped.wait())}
    await asyncio.wait({*tasks, serving}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
