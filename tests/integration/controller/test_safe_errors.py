"""No error says how the controller is made or what it knows; each says under which id to look."""

import asyncio

import grpc.aio
import pytest
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from dioptra_controller.database.engine import Database
from dioptra_ray.api.controller.v1 import experiment_service_pb2 as experiments
from dioptra_ray.api.controller.v1 import experiment_service_pb2_grpc as experiments_grpc
from dioptra_ray.api.controller.v1 import job_service_pb2 as jobs
from dioptra_ray.api.controller.v1 import job_service_pb2_grpc as jobs_grpc
from dioptra_ray.client import Client
from dioptra_ray.errors import NotFoundError

URL = "postgresql+psycopg://me:" + "hunter2@db.internal/dioptra"
PATH = "/srv/secret/controller.db"
METADATA = [("x-request-id", "asked-42")]
CALLS = {
    "unary": lambda channel: experiments_grpc.ExperimentServiceStub(channel).ListExperiments(
        experiments.ListExperimentsRequest(), metadata=METADATA
    ),
    "write": lambda channel: experiments_grpc.ExperimentServiceStub(channel).CreateExperiment(
        experiments.CreateExperimentRequest(name="a"), metadata=METADATA
    ),
    "stream": lambda channel: jobs_grpc.JobServiceStub(channel).WatchJob(
        jobs.WatchJobRequest(id=1), metadata=METADATA
    ),
}
CRASHES = [
    RuntimeError(f"cannot connect to {URL}"),
    OSError(13, "Permission denied", PATH),
    KeyError(URL),
    ValueError(f"bad line in {PATH}"),
    AssertionError(URL),
    RecursionError(PATH),
]


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: type(crash).__name__)
async def test_a_crash_says_nothing_but_its_request_id(channel, monkeypatch, kind, crash):
    async def fail(*_args, **_kwargs):
        raise crash

    monkeypatch.setattr(Database, "read", fail)
    monkeypatch.setattr(Database, "write", fail)
    call = CALLS[kind](channel)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await (call.read() if kind == "stream" else call)
    assert raised.value.code() is grpc.StatusCode.INTERNAL
    details = dict(raised.value.trailing_metadata() or ())["grpc-status-details-bin"]
    said = repr(raised.value) + repr(Status.FromString(details))
    for secret in ("hunter2", "db.internal", "/srv/", ".py", "Traceback", type(crash).__name__):
        assert secret not in said
    assert "asked-42" in said


@pytest.mark.parametrize("given", ["", "asked-42"])
async def test_every_refusal_has_a_request_id(channel, given):
    stub = experiments_grpc.ExperimentServiceStub(channel)
    metadata = [("x-request-id", given)] if given else []
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.GetExperiment(experiments.GetExperimentRequest(name="no"), metadata=metadata)
    details = dict(raised.value.trailing_metadata() or ())["grpc-status-details-bin"]
    request = error_details_pb2.RequestInfo()
    assert any(one.Unpack(request) for one in Status.FromString(details).details)
    assert request.request_id == given if given else len(request.request_id) == 32


def ask(address: str) -> str:
    with Client(address) as client, pytest.raises(NotFoundError) as raised:
        client.experiments.get("no")
    return raised.value.request_id


async def test_the_client_knows_the_request_id(controller):
    assert len(await asyncio.to_thread(ask, controller.address)) == 32
