import asyncio
import os
import signal
import sys

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from dioptra_controller.bootstrap import Controller
from dioptra_controller.database import engine
from dioptra_controller.database.engine import Database
from dioptra_controller.registry import experiments
from dioptra_controller.rpc.experiments import ExperimentServicer
from dioptra_ray.api.controller.v1 import experiment_service_pb2 as pb
from dioptra_ray.api.controller.v1 import experiment_service_pb2_grpc as pb_grpc
from dioptra_ray.errors import InternalError, UnauthenticatedError, UnavailableError

PACKAGE = "dioptra_ray.api.controller.v1"
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(
    "service", ["", f"{PACKAGE}.ExperimentService", f"{PACKAGE}.PluginService"]
)
async def test_health_says_serving(channel, service):
    stub = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == SERVING


async def test_health_does_not_know_other_services(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    with pytest.raises(grpc.RpcError) as raised:
        await stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_reflection_lists_and_describes_every_service(channel):
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(
        iter(
            [
                reflection_pb2.ServerReflectionRequest(list_services=""),
                reflection_pb2.ServerReflectionRequest(
                    file_containing_symbol=f"{PACKAGE}.RegistryService"
                ),
            ]
        )
    )
    listed, described = [answer async for answer in call]
    names = {service.name for service in listed.list_services_response.service}
    assert {
        f"{PACKAGE}.{name}Service" for name in ("Artifact", "Job", "Registry", "Sweep")
    } <= names
    assert "grpc.health.v1.Health" in names
    assert described.file_descriptor_response.file_descriptor_proto


async def test_a_token_is_asked_of_every_call_but_health(start_controller, refusal, tmp_path):
    token_file = tmp_path / "token"
    token_file.write_text("s3cret\n")
    controller = await start_controller(token_file=token_file)
    async with grpc.aio.insecure_channel(controller.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == SERVING
        stub = pb_grpc.ExperimentServiceStub(channel)
        request = pb.GetExperimentRequest(name="default")
        for metadata in (None, [("authorization", "Bearer other")], [("authorization", "s3cret")]):
            error = await refusal(stub.GetExperiment(request, metadata=metadata))
            assert isinstance(error, UnauthenticatedError), metadata
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        stream = reflection.ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        )
        assert isinstance(await refusal(stream.read()), UnauthenticatedError)
        found = await stub.GetExperiment(request, metadata=[("authorization", "Bearer s3cret")])
        assert found.experiment.name == "default"


async def test_a_bug_is_hidden_behind_the_request_id(channel, refusal, monkeypatch, capsys):
    def explode(*_arguments):
        raise RuntimeError("the secret word is xyzzy")

    monkeypatch.setattr(experiments, "get", explode)
    stub = pb_grpc.ExperimentServiceStub(channel)
    error = await refusal(
        stub.GetExperiment(
            pb.GetExperimentRequest(name="default"), metadata=[("x-request-id", "call-17")]
        )
    )
    assert isinstance(error, InternalError)
    assert error.metadata == {"request_id": "call-17"}
    assert "xyzzy" not in error.message
    logged = capsys.readouterr()
    assert "xyzzy" in logged.out + logged.err
    assert "call-17" in logged.out + logged.err


async def test_a_locked_database_is_unavailable_and_writes_nothing(
    start_controller, refusal, settings, monkeypatch
):
    monkeypatch.setattr(engine, "_SQLITE_PRAGMAS", ("PRAGMA busy_timeout=20",))
    controller = await start_controller()
    blocker = Database(settings.database_url.get_secret_value())
    async with grpc.aio.insecure_channel(controller.address) as channel:
        stub = pb_grpc.ExperimentServiceStub(channel)
        with blocker.engine.connect() as connection, connection.begin():
            error = await refusal(stub.CreateExperiment(pb.CreateExperimentRequest(name="late")))
            assert isinstance(error, UnavailableError)
        listed = await stub.ListExperiments(pb.ListExperimentsRequest())
    blocker.close()
    assert [one.name for one in listed.experiments] == ["default"]


async def test_large_messages_pass_and_larger_ones_do_not(channel):
    stub = pb_grpc.ExperimentServiceStub(channel)
    with pytest.raises(grpc.RpcError) as raised:
        await stub.CreateExperiment(pb.CreateExperimentRequest(name="x" * (60 << 20)))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # it arrived
    with pytest.raises(grpc.RpcError) as raised:
        await stub.CreateExperiment(pb.CreateExperimentRequest(name="x" * (67 << 20)))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_two_controllers_cannot_share_a_port(controller, settings, tmp_path):
    second = Controller(
        settings.model_copy(
            update={
                "listen": controller.address,
                "database_url": settings.database_url.__class__(
                    f"sqlite:///{tmp_path / 'other.db'}"
                ),
            }
        )
    )
    with pytest.raises(UnavailableError, match="cannot listen"):
        await second.start()
    await second.stop()


async def test_the_process_writes_its_address_and_stops_on_a_signal(tmp_path):
    address_file = tmp_path / "run" / "address"
    environment = {
        "PATH": os.environ["PATH"],
        "DIOPTRA_LISTEN": "127.0.0.1:0",
        "DIOPTRA_DATABASE_URL": f"sqlite:///{tmp_path / 'state' / 'controller.db'}",
        "DIOPTRA_STORE_URL": (tmp_path / "store").as_uri(),
        "DIOPTRA_ADDRESS_FILE": str(address_file),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dioptra_controller", env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    line = await process.stderr.readline()
    assert b"controller.serving" in line
    async with grpc.aio.insecure_channel(address_file.read_text()) as channel:
        stub = pb_grpc.ExperimentServiceStub(channel)
        await stub.GetExperiment(pb.GetExperimentRequest(name="default"))
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await health.read()).status == SERVING
        process.send_signal(signal.SIGTERM)
        assert (await health.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        health.cancel()
    _, rest = await process.communicate()
    assert process.returncode == 0, rest.decode()
    assert not address_file.exists()


async def test_wrong_settings_are_said_and_nothing_starts():
    environment = {"PATH": os.environ["PATH"], "DIOPTRA_LISTEN": "0.0.0.0:0"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dioptra_controller", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"DIOPTRA_DATABASE_URL" in said
    assert b"Traceback" not in said


def test_the_servicer_answers_every_method():
    methods = pb.DESCRIPTOR.services_by_name["ExperimentService"].methods
    assert all(method.name in vars(ExperimentServicer) for method in methods)
