"""Controllers as processes of their own on one database, and fake runners that talk to them."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc.aio
import sqlalchemy as sa

from dioptra_controller.database.engine import Database
from dioptra_controller.database.migrate import upgrade
from dioptra_ray.api.controller.v1 import (
    cluster_service_pb2,
    cluster_service_pb2_grpc,
    job_pb2,
    queue_service_pb2_grpc,
    sweep_service_pb2,
    sweep_service_pb2_grpc,
)
from dioptra_ray.api.controller.v1 import job_service_pb2 as job_pb
from dioptra_ray.api.controller.v1 import job_service_pb2_grpc as job_grpc
from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.api.runner.v1 import runner_service_pb2_grpc as runner_grpc
from dioptra_ray.wire.values import write_mapping
from tests.integration.jobs.deployment import FakeRunner, seed_lab

LEASE_SECONDS = 3.0
PATIENCE = 60.0


class Replica:
    """A controller process, and stubs of its services."""

    def __init__(self, folder: Path, database_url: str, name: str) -> None:
        self.name = name
        self.database_url = database_url
        self.store_url = (folder / "store").as_uri()
        self.log = folder / f"{name}.log"
        self._address_file = folder / f"{name}.address"
        self.runners: list[Runner] = []
        self.address = "127.0.0.1:0"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    def begin(self, **settings: str) -> None:
        """Start its process, again on the same address; idempotent."""
        if self.is_running:
            return
        self._address_file.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "DIOPTRA_LISTEN": self.address,
            "DIOPTRA_DATABASE_URL": self.database_url,
            "DIOPTRA_STORE_URL": self.store_url,
            "DIOPTRA_ADDRESS_FILE": str(self._address_file),
            "DIOPTRA_LEASE_SECONDS": str(LEASE_SECONDS),
            **settings,
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dioptra_controller"],
                env=environment,
                stdout=log,
                stderr=log,
            )

    async def ready(self) -> None:
        """Wait until it serves, and connect to it."""
        await until(lambda: self._address_file.exists() or not self.is_running)
        assert self.is_running, self.log.read_text()
        self.address = self._address_file.read_text()
        self.channel = grpc.aio.insecure_channel(self.address)
        self.jobs = job_grpc.JobServiceStub(self.channel)
        self.sweeps = sweep_service_pb2_grpc.SweepServiceStub(self.channel)
        self.runner_service = runner_grpc.RunnerServiceStub(self.channel)
        self.cluster = cluster_service_pb2_grpc.ClusterServiceStub(self.channel)
        self.queues = queue_service_pb2_grpc.QueueServiceStub(self.channel)

    def send(self, number: signal.Signals) -> None:
        """Send its process a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End its process at once."""
        self.send(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Wait for the end of its process."""
        assert self._process is not None
        return self._process.wait(PATIENCE)

    def runner(self, name: str) -> "Runner":
        """A fake runner that comes to this controller first."""
        self.runners.append(Runner(self, f"{name}-{uuid.uuid4().hex}"))
        return self.runners[-1]

    async def create_job(self, **fields: Any) -> job_pb2.Job:
        request = job_pb.CreateJobRequest(
            entrypoint="attack", parameters=write_mapping({"attack": "fgsm"}), **fields
        )
        return (await self.jobs.CreateJob(request)).job

    async def get_job(self, job_id: int) -> job_pb2.Job:
        return (await self.jobs.GetJob(job_pb.GetJobRequest(id=job_id))).job

    async def has_runners(self, *names: str) -> None:
        """Wait until it knows of exactly these."""
        async with asyncio.timeout(PATIENCE):
            while await self._runner_names() != list(names):  # noqa: ASYNC110 - see `until`
                await asyncio.sleep(0.05)

    async def _runner_names(self) -> list[str]:
        request = cluster_service_pb2.GetClusterRequest()
        return [runner.name for runner in (await self.cluster.GetCluster(request)).runners]

    async def watch(self, job_id: int, after: int = 0) -> list[job_pb.WatchJobResponse]:
        """All events to the last one."""
        request = job_pb.WatchJobRequest(id=job_id, after_sequence=after)
        return [event async for event in self.jobs.WatchJob(request)]

    async def watch_end(self, job_id: int) -> job_pb2.Job:
        """The job when it has ended."""
        request = job_pb.WatchJobRequest(id=job_id, end_only=True)
        (event,) = [event async for event in self.jobs.WatchJob(request)]
        return event.job_state_changed.job

    async def watch_sweep(self, sweep_id: int) -> list[int]:
        """The trials as they end."""
        request = sweep_service_pb2.WatchSweepRequest(id=sweep_id)
        return [t.trial async for news in self.sweeps.WatchSweep(request) for t in news.ended]


class Call:
    """A call that may be written to by several; gRPC wants them one after the other."""

    def __init__(self, call: Any) -> None:
        self.read, self.cancel = call.read, call.cancel
        self._write = call.write
        self._lock = asyncio.Lock()

    async def write(self, message: Any) -> None:
        async with self._lock:
            await self._write(message)


class Runner(FakeRunner):
    """A fake runner that may go from one controller to another, and says that it lives."""

    deployment: Any

    async def come(self, replica: Replica | None = None, **fields: Any) -> Any:
        """Connect, to another controller or the same."""
        self.deployment = replica or self.deployment
        hello = {"store_url": self.deployment.store_url, "name": self.runner_id.partition("-")[0]}
        welcome = await self.connect(**hello, **fields)
        self.call = Call(self.call)
        self._beating = asyncio.create_task(self._beat_always(self.call))
        return welcome

    def hang_up(self) -> None:
        self._beating.cancel()
        super().hang_up()

    async def _beat_always(self, call: Any) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while True:
                await call.write(pb.ConnectRequest(heartbeat=pb.Heartbeat()))
                await asyncio.sleep(LEASE_SECONDS / 10)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something of another process that nobody is told of."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


def fill(url: str) -> None:
    """Make the tables and what the tests run."""
    database = Database(url)
    try:
        upgrade(database)
        database.write_now(seed_lab)
    finally:
        database.close()


def execute(url: str, statement: str) -> list[sa.Row[Any]]:
    """Run a statement beside the controllers."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            return list(connection.execute(sa.text(statement)))
    finally:
        engine.dispose()
