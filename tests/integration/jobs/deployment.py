"""A controller in this process with only jobs, sweeps and runners, and a runner that is a fake.

The fake speaks the real stream and runs nothing: tests tell it what to report.
"""

import asyncio
import datetime as dt
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import sqlalchemy as sa
from google.rpc import status_pb2

from dioptra_controller import __version__
from dioptra_controller.access.verifying import Verifier
from dioptra_controller.artifacts import catalog
from dioptra_controller.database import tables  # noqa: F401 - fills METADATA
from dioptra_controller.database.engine import Database
from dioptra_controller.database.metadata import METADATA
from dioptra_controller.registry import entrypoints, experiments, plugins, queues
from dioptra_controller.rpc.interceptors import GuardInterceptor
from dioptra_controller.rpc.jobs import JobServicer
from dioptra_controller.rpc.runner import RunnerServicer
from dioptra_controller.rpc.sweeps import SweepServicer
from dioptra_controller.scheduling.hub import Hub
from dioptra_ray.api.controller.v1 import job_pb2, sweep_service_pb2, sweep_service_pb2_grpc
from dioptra_ray.api.controller.v1 import job_service_pb2 as job_pb
from dioptra_ray.api.controller.v1 import job_service_pb2_grpc as job_grpc
from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.api.runner.v1 import runner_service_pb2_grpc as pb_grpc
from dioptra_ray.api.types.v1 import failure_pb2
from dioptra_ray.errors import DioptraError
from dioptra_ray.project.model import ArtifactTask, ProjectPlugin, TaskOutput
from dioptra_ray.store import ArtifactStore
from dioptra_ray.store.manifest import Manifest, ManifestFile
from dioptra_ray.wire.status import from_status
from dioptra_ray.wire.times import to_timestamp
from dioptra_ray.wire.values import write_mapping, write_value

STORE = "file:///somewhere/artifacts"
DIGEST = "sha256:" + "a" * 64
DESCRIPTION: dict[str, Any] = {
    "types": {},
    "parameters": {
        "eps": {"type": "number", "default": 0.5},
        "attack": {"type": "string"},
        "layers": {"default": [1, 2]},
    },
    "tasks": {
        "load": {"plugin": "lab.data.load", "outputs": {"data": "any"}},
        "hit": {
            "plugin": "lab.attacks.hit",
            "inputs": [{"data": "any"}, {"eps": "number"}, {"attack": "string"}],
            "outputs": {"score": "number"},
        },
    },
    "graph": {
        "data": {"load": []},
        "score": {"hit": ["$data", "$eps", "$attack"]},
    },
    "artifact_outputs": {
        "scores": {"contents": "$score", "task": {"name": "Table"}},
    },
}
READER: dict[str, Any] = {
    "tasks": {"show": {"plugin": "lab.data.show", "inputs": [{"table": "number"}]}},
    "artifact_inputs": {"table": {"frame": "number"}},
    "graph": {"shown": {"show": ["$table"]}},
}
TABLE = ArtifactTask(
    id="lab.artifacts.Table",
    name="Table",
    file="artifacts.py",
    line=1,
    outputs=(TaskOutput(name="table", type="number"),),
)


def seed(connection: sa.Connection) -> None:
    """Register what the tests run."""
    experiments.create(connection, "default")
    queues.create(connection, "default")
    seed_lab(connection)


def seed_lab(connection: sa.Connection) -> None:
    """Register what a migrated database does not have by itself."""
    queues.create(connection, "gpu")
    stored = plugins.put(connection, ProjectPlugin(name="lab", artifact_tasks=(TABLE,)), DIGEST)
    pin = entrypoints.PluginPin(snapshot_id=stored.id, name="lab", number=1, digest=DIGEST)
    kinds = {"eps": "float", "attack": "string", "layers": "list"}
    attack = entrypoints.EntrypointContent(
        name="attack",
        description=DESCRIPTION,
        artifact_tasks={"Table": TABLE.id},
        argument_schemas={"Table": None},
        parameter_kinds=kinds,
    )
    entrypoints.put(connection, attack, [pin])
    entrypoints.put(connection, entrypoints.EntrypointContent(name="read", description=READER), [])


def manifest(name: str) -> str:
    """What the store says about an artifact of one file."""
    file = ManifestFile(path=f"{name}.csv", size=3, digest="sha256:" + "b" * 64)
    return Manifest(
        basename=file.path, is_directory=False, files=(file,), size=3, digest=file.digest
    ).to_json()


class Settings:
    """What the runner service must be told."""

    store_url = STORE


class Clock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Deployment:
    """The server, and what tests need to talk to it."""

    def __init__(self, url: str, store: ArtifactStore) -> None:
        self.store = store
        self.clock = Clock()
        self.turned = dt.timedelta()
        self.database = Database(url)
        self.hub = Hub(
            self.database,
            clock=self.clock,
            now=lambda: dt.datetime.now(dt.UTC) + self.turned,
        )
        self.database.on_commit = self.hub.committed
        self._runners = itertools.count(1)

    async def start(self) -> None:
        await self.hub.start(lease_seconds=30.0)
        self.server = grpc.aio.server(
            interceptors=[GuardInterceptor(Verifier(self.database, None), self.database)]
        )
        job_grpc.add_JobServiceServicer_to_server(
            JobServicer(self.database, self.hub, self.store), self.server
        )
        sweep_service_pb2_grpc.add_SweepServiceServicer_to_server(
            SweepServicer(self.database, self.hub), self.server
        )
        pb_grpc.add_RunnerServiceServicer_to_server(
            RunnerServicer(self.database, self.hub, Settings()), self.server
        )
        port = self.server.add_insecure_port("127.0.0.1:0")
        await self.server.start()
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.jobs = job_grpc.JobServiceStub(self.channel)
        self.sweeps = sweep_service_pb2_grpc.SweepServiceStub(self.channel)
        self.runner_service = pb_grpc.RunnerServiceStub(self.channel)

    async def stop(self) -> None:
        await self.channel.close()
        await self.hub.stop()
        await self.server.stop(None)
        await asyncio.to_thread(self.database.close)

    async def turn_clock(self, seconds: float) -> None:
        """Let time pass, and let the hub look at its clocks."""
        self.clock.seconds += seconds
        self.turned += dt.timedelta(seconds=seconds)
        await self.hub.check_leases()

    async def create_job(self, entrypoint: str = "attack", **fields: Any) -> job_pb2.Job:
        fields.setdefault("parameters", {"attack": "fgsm"} if entrypoint == "attack" else {})
        request = job_pb.CreateJobRequest(
            entrypoint=entrypoint,
            **{**fields, "parameters": write_mapping(fields["parameters"])},
        )
        return (await self.jobs.CreateJob(request)).job

    async def get_job(self, job_id: int) -> job_pb2.Job:
        return (await self.jobs.GetJob(job_pb.GetJobRequest(id=job_id))).job

    async def create_sweep(
        self, grid: Mapping[str, list[Any]], **fields: Any
    ) -> sweep_service_pb2.Sweep:
        dimensions = [
            sweep_service_pb2.Dimension(parameter=name, values=map(write_value, values))
            for name, values in grid.items()
        ]
        request = sweep_service_pb2.CreateSweepRequest(
            grid=sweep_service_pb2.Grid(dimensions=dimensions),
            **{"entrypoint": "attack", **fields},
        )
        return (await self.sweeps.CreateSweep(request)).sweep

    async def get_sweep(self, sweep_id: int) -> sweep_service_pb2.Sweep:
        request = sweep_service_pb2.GetSweepRequest(id=sweep_id)
        return (await self.sweeps.GetSweep(request)).sweep

    async def record_artifact(self, **lineage: Any) -> int:
        def record(connection: sa.Connection) -> int:
            return catalog.record(
                connection,
                name="table",
                key=f"artifacts/{next(self._runners)}",
                manifest_json=manifest("table"),
                lineage=catalog.Lineage(**lineage),
            )

        return await self.database.write(record)

    @asynccontextmanager
    async def runner(self, **hello: Any) -> AsyncIterator["FakeRunner"]:
        """A connected runner."""
        fake = FakeRunner(self, f"runner-{next(self._runners)}")
        await fake.connect(**hello)
        try:
            yield fake
        finally:
            fake.hang_up()


class FakeRunner:
    """A runner that does what a test says."""

    def __init__(self, deployment: Deployment, runner_id: str) -> None:
        self.deployment = deployment
        self.runner_id = runner_id
        self.sequence = 0
        self.sent: list[pb.Report] = []
        self.unread: list[pb.ConnectResponse] = []
        self.call: Any = None

    async def connect(self, *, replay: bool = True, **fields: Any) -> pb.Welcome:
        hello: dict[str, Any] = {
            "runner_id": self.runner_id,
            "name": self.runner_id,
            "version": __version__,
            "queues": ["default"],
            "slots": 1,
            "store_url": STORE,
            **fields,
        }
        self.call = self.deployment.runner_service.Connect()
        await self.call.write(pb.ConnectRequest(hello=pb.Hello(**hello)))
        first = await self.read()
        assert first.WhichOneof("message") == "welcome"
        self.welcome = first.welcome
        self.unread.clear()
        unknown = [r for r in self.sent if r.sequence > self.welcome.committed_sequence]
        if unknown and replay:
            await self.call.write(pb.ConnectRequest(reports=pb.ReportBatch(reports=unknown)))
        return self.welcome

    async def read(self) -> pb.ConnectResponse:
        try:
            message = await asyncio.wait_for(self.call.read(), 20)
        except grpc.aio.AioRpcError as error:
            raise ConnectionError(f"{error.code().name}: {error.details()}") from None
        if message is grpc.aio.EOF:
            raise ConnectionError("OK")
        return message

    async def expect(self, kind: str) -> Any:
        """The next message of a kind; what comes before it is kept for later."""
        for message in self.unread:
            if message.WhichOneof("message") == kind:
                self.unread.remove(message)
                return getattr(message, kind)
        while (message := await self.read()).WhichOneof("message") != kind:
            self.unread.append(message)
        return getattr(message, kind)

    async def assignment(self) -> pb.Assignment:
        return await self.expect("assignment")

    def make(self, lease: pb.Lease, **event: Any) -> pb.Report:
        self.sequence += 1
        report = pb.Report(
            sequence=self.sequence, job_id=lease.job_id, attempt=lease.attempt, **event
        )
        self.sent.append(report)
        return report

    async def send(self, *reports: pb.Report) -> None:
        batch = pb.ReportBatch(reports=reports)
        await self.call.write(pb.ConnectRequest(reports=batch))

    async def report(self, lease: pb.Lease, **event: Any) -> None:
        """Report something and wait until it is committed."""
        await self.send(self.make(lease, **event))
        while (await self.expect("acknowledgement")).sequence < self.sequence:
            pass

    async def beat(self, **fields: Any) -> None:
        beat = pb.Heartbeat(resources={"CPU": 2}, **fields)
        await self.call.write(pb.ConnectRequest(heartbeat=beat))

    async def finish(self, lease: pb.Lease, artifacts: tuple[str, ...] = ()) -> None:
        stored = [
            pb.StoredArtifact(
                name=name,
                key=f"artifacts/{lease.job_id}/{lease.attempt}/{name}",
                manifest_json=manifest(name),
            )
            for name in artifacts
        ]
        ended = pb.AttemptEnded(outcome=pb.ATTEMPT_OUTCOME_FINISHED, artifacts=stored)
        await self.report(lease, attempt_ended=ended)

    async def fail(self, lease: pb.Lease, saved: tuple[pb.SavedStage, ...] = ()) -> None:
        failure = failure_pb2.Failure(
            reason="STEP_RAISED", message="no data", step="data", error_type="ValueError", line=7
        )
        ended = pb.AttemptEnded(
            outcome=pb.ATTEMPT_OUTCOME_FAILED, failure=failure, saved_stages=saved
        )
        await self.report(lease, attempt_ended=ended)

    def hang_up(self) -> None:
        self.call.cancel()


def step(name: str, phase: str, **fields: Any) -> pb.StepChange:
    """A step change now."""
    return pb.StepChange(
        step=name,
        phase=pb.StepPhase.Value(f"STEP_PHASE_{phase}"),
        time=to_timestamp(dt.datetime.now(dt.UTC)),
        **fields,
    )


def now() -> Any:
    """The present time as a message."""
    return to_timestamp(dt.datetime.now(dt.UTC))


async def refused(call: Any) -> DioptraError:
    """The error that a call ends with."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        details = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
        return from_status(status_pb2.Status.FromString(details))
    raise AssertionError("the call was not refused")


def seeded(database: Database) -> None:
    """Make the tables and what the tests run."""
    METADATA.create_all(database.engine)
    database.write_now(seed)
