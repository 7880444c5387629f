"""A stream whose other side is slow, and a Ray that takes its time."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio

from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.api.runner.v1.runner_service_pb2_grpc import add_RunnerServiceServicer_to_server
from dioptra_workers.runner.link import Link
from dioptra_workers.settings import RunnerSettings
from tests.integration.workers.runner_service import FakeController


class Looks:
    """Counts how often a link has looked at the cluster; may be slow."""

    def __init__(self) -> None:
        self.count = 0
        self.answers = threading.Event()
        self.answers.set()
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    def __call__(self) -> dict[str, float]:
        self.count += 1
        self._loop.call_soon_threadsafe(self._changed.set)
        assert self.answers.wait(60)
        return {"CPU": float(self.count)}

    async def more(self, count: int) -> None:
        wanted = self.count + count
        while self.count < wanted:
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), 60)


@asynccontextmanager
async def connected(folder: Path) -> AsyncIterator[tuple[FakeController, Link, Looks]]:
    fake, looks = FakeController(), Looks()
    fake.heartbeat_seconds = 0.001
    server = grpc.aio.server()
    add_RunnerServiceServicer_to_server(fake, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    settings = RunnerSettings(
        controller=f"127.0.0.1:{port}",
        ray_address="local",
        queues=("default",),
        slots=4,
        name="tester",
        store_url=folder.as_uri(),
        scratch_dir=folder,
    )
    # Nothing runs here, so nobody drives.
    no_driver: Any = None
    link = Link(
        settings, no_driver, runner_id="r", ray_address="", resources=looks, nodes=lambda: ()
    )
    running = asyncio.create_task(link.run())
    await fake.until(lambda: fake.hellos)
    try:
        yield fake, link, looks
    finally:
        looks.answers.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await link.close()
        await server.stop(None)


def log(size: int) -> pb.Report:
    line = pb.LogLine(level="INFO", message="x" * size)
    return pb.Report(job_id=1, attempt=1, logs_appended=pb.LogsAppended(lines=[line]))


async def test_heartbeats_while_a_report_is_being_written_do_not_break_the_stream(
    tmp_path: Path,
) -> None:
    async with connected(tmp_path) as (fake, link, _):
        for _ in range(20):
            link._outbox.append(log(3_000_000))
        link._flush.set()
        await fake.until(lambda: len(fake.reports) == 20)
        assert len(fake.hellos) == 1
        assert fake.received == list(range(1, 21))


async def test_heartbeats_go_on_while_ray_does_not_answer(tmp_path: Path) -> None:
    async with connected(tmp_path) as (fake, _, looks):
        looks.answers.clear()
        await looks.more(1)
        known = fake.heartbeats
        await fake.until(lambda: fake.heartbeats > known + 2)


async def test_a_controller_that_has_forgotten_all_is_served_by_somebody_new(
    tmp_path: Path,
) -> None:
    async with connected(tmp_path) as (fake, link, _):
        link._outbox.append(log(1))
        link._flush.set()
        await fake.until(lambda: fake.reports)
        while link._outbox.acknowledged < 1:  # noqa: ASYNC110 - nobody else is told
            await asyncio.sleep(0.001)
        fake.reports.clear()
        fake.break_stream()
        await fake.until(lambda: len(fake.hellos) == 3)
        assert fake.hellos[1].runner_id == "r"
        assert fake.hellos[2].runner_id != "r"
        link._outbox.append(log(2))
        link._flush.set()
        await fake.until(lambda: fake.reports)
        assert [report.sequence for report in fake.reports] == [1]
