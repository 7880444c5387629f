"""A controller with two groups, and somebody of every role in one of them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import structlog
from google.protobuf.message_factory import GetMessageClass
from google.rpc.status_pb2 import Status

from dioptra_controller.bootstrap import Controller
from dioptra_controller.settings import Settings
from dioptra_ray.api.controller.v1 import (
    access_service_pb2,
    artifact_service_pb2,
    cluster_service_pb2,
    entrypoint_service_pb2,
    experiment_service_pb2,
    job_service_pb2,
    parameter_type_service_pb2,
    plugin_service_pb2,
    queue_service_pb2,
    registry_service_pb2,
    resource_service_pb2,
    sweep_service_pb2,
)
from dioptra_ray.api.runner.v1 import runner_service_pb2
from dioptra_ray.errors import DioptraError
from dioptra_ray.plugins.bundle import pack
from dioptra_ray.wire.status import from_status

FILES = (
    access_service_pb2,
    artifact_service_pb2,
    cluster_service_pb2,
    entrypoint_service_pb2,
    experiment_service_pb2,
    job_service_pb2,
    parameter_type_service_pb2,
    plugin_service_pb2,
    queue_service_pb2,
    registry_service_pb2,
    resource_service_pb2,
    sweep_service_pb2,
    runner_service_pb2,
)
METHODS: Mapping[str, Any] = {
    method.name: method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
ROLES = ("viewer", "submitter", "plugin_author", "admin")
SOURCE = """\
types: {}
parameters: {eps: {type: number, default: 0.5}}
tasks:
  double: {plugin: red_tools.tasks.double, inputs: [{number: number}], outputs: {twice: number}}
graph:
  twice: {double: [$eps]}
"""
PLUGIN = pack(
    {
        "tasks.py": b"from dioptra_ray import pyplugs\n\n\n@pyplugs.register\n"
        b"def double(number: float) -> float:\n    return 2 * number\n"
    }
).content


@dataclass(slots=True)
class World:
    """Calls the controller as anybody.

    Attributes:
        address: Of the controller.
        secrets: By who has them.
        ids: Of the job, the sweep and the artifact of group red.
    """

    address: str
    secrets: dict[str, str]
    channel: grpc.aio.Channel
    ids: dict[str, int] = field(default_factory=dict)

    async def call(self, who: str, method: str, *requests: Mapping[str, Any]) -> list[Any]:
        """Call a method by its bare name; the responses.

        Raises:
            DioptraError: What a client would raise.
        """
        found = METHODS[method]
        kind = GetMessageClass(found.input_type)
        messages = [kind(**request) for request in requests]
        metadata = []
        if who in self.secrets:
            metadata = [("authorization", f"Bearer {self.secrets[who]}")]
        try:
            return await asyncio.wait_for(self._send(found, messages, metadata), 60)
        except grpc.aio.AioRpcError as error:
            if "SendMessageOperation" in (error.debug_error_string() or ""):
                # grpc.aio says this instead of the refusal that came before its message left.
                return await self.call(who, method, *requests)
            details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
            if not isinstance(details, bytes):  # not one of ours
                raise
            raise from_status(Status.FromString(details)) from error

    async def _send(self, method: Any, messages: list[Any], metadata: Any) -> list[Any]:
        path = f"/{method.containing_service.full_name}/{method.name}"
        arity = "stream" if method.client_streaming else "unary"
        make = getattr(self.channel, f"{arity}_{'stream' if method.server_streaming else 'unary'}")
        multi = make(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        call = multi(iter(messages) if method.client_streaming else messages[0], metadata=metadata)
        if not method.server_streaming:
            return [await call]
        return [response async for response in call]

    async def refusal(self, who: str, method: str, *requests: Mapping[str, Any]) -> DioptraError:
        """What a call that must fail raises."""
        with pytest.raises(DioptraError) as raised:
            await self.call(who, method, *requests)
        return raised.value

    async def make_token(self, who: str, roles: Iterable[tuple[str, str]], **more: Any) -> None:
        """Make somebody."""
        memberships = [
            access_service_pb2.Membership(group=group, role=f"ROLE_{role.upper()}")  # type: ignore[arg-type]
            for group, role in roles
        ]
        request = {"name": who, "memberships": memberships, **more}
        (made,) = await self.call("bootstrap", "CreateToken", request)
        self.secrets[who] = made.secret


@pytest.fixture(autouse=True)
def log_to_stderr() -> Iterator[None]:
    """As the real controller does: what commands print must stay readable by scripts."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    yield
    structlog.reset_defaults()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    token_file = tmp_path / "token"
    token_file.write_text("the-bootstrap-token\n")
    return Settings(
        listen="127.0.0.1:0",
        database_url=f"sqlite:///{tmp_path / 'controller.db'}",  # type: ignore[arg-type]
        store_url=(tmp_path / "store").as_uri(),
        token_file=token_file,
    )


@pytest.fixture
async def controller(settings: Settings) -> AsyncIterator[Controller]:
    controller = Controller(settings)
    await controller.start()
    yield controller
    await controller.stop()


@pytest.fixture
async def world(controller: Controller) -> AsyncIterator[World]:
    async with grpc.aio.insecure_channel(controller.address) as channel:
        secrets = {"bootstrap": "the-bootstrap-token", "forger": "drt_" + "x" * 43}
        world = World(address=controller.address, secrets=secrets, channel=channel)
        for group in ("red", "blue"):
            await world.call("bootstrap", "CreateGroup", {"name": group})
        for role in ROLES:
            await world.make_token(role, [("red", role)])
        await world.make_token("stranger", [("blue", "admin")])
        await world.make_token("runner", [], is_runner=True)
        await _furnish(world)
        yield world


async def _furnish(world: World) -> None:
    """Something of every kind, in group red."""
    tag = {"kind": "RESOURCE_KIND_PLUGIN", "name": "red_tools"}
    for method, request in (
        ("PutPlugin", {"name": "red_tools", "archive": PLUGIN}),
        ("PutPluginFile", {"name": "red_tools", "path": "more.py", "content": b"MORE = 1\n"}),
        ("PutParameterType", {"name": "red_type", "structure_json": '{"list": "integer"}'}),
        ("PutEntrypoint", {"name": "red_entry", "source": SOURCE, "plugins": ["red_tools"]}),
        (
            "PutEntrypointDraft",
            {"name": "red_draft", "source": SOURCE, "plugins": ["red_tools"]},
        ),
        ("CreateExperiment", {"name": "red_experiment"}),
        ("CreateQueue", {"name": "red_queue"}),
        ("UpdateTags", {"resource": tag, "add": ["red_tag"]}),
    ):
        await world.call("admin", method, request)
    run = {"entrypoint": "red_entry", "experiment": "red_experiment", "queue": "red_queue"}
    (made,) = await world.call("admin", "CreateJob", run)
    await world.call("admin", "CancelJob", {"id": made.job.id})
    grid = {"dimensions": [{"parameter": "eps", "values": [{"number_value": 0.5}]}]}
    (sweep,) = await world.call("admin", "CreateSweep", {**run, "grid": grid})
    await world.call("admin", "CancelSweep", {"id": sweep.sweep.id})
    header = {"name": "red_file", "basename": "red.txt"}
    parts = ({"header": header}, {"path": "red.txt"}, {"content": b"red"})
    (stored,) = await world.call("admin", "UploadArtifact", *parts)
    world.ids = {"job": made.job.id, "sweep": sweep.sweep.id, "artifact": stored.artifact.id}
