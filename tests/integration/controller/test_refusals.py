"""What fuzzing has found: requests that once looked like bugs of the controller, or were."""

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from dioptra_ray.api.controller.v1 import artifact_service_pb2 as artifacts
from dioptra_ray.api.controller.v1 import artifact_service_pb2_grpc as artifacts_grpc
from dioptra_ray.api.controller.v1 import plugin_service_pb2 as plugins
from dioptra_ray.api.controller.v1 import plugin_service_pb2_grpc as plugins_grpc
from dioptra_ray.api.controller.v1 import resource_pb2
from dioptra_ray.api.controller.v1 import resource_service_pb2 as resources
from dioptra_ray.api.controller.v1 import resource_service_pb2_grpc as resources_grpc
from dioptra_ray.errors import InvalidRequestError

DEEP = b"\x0a\x00"


@pytest.mark.parametrize("seconds", [2**62, -(2**62), 315_576_000_000, -1])
async def test_impossible_grace_times(channel, refusal, seconds):
    stub = artifacts_grpc.ArtifactServiceStub(channel)
    request = artifacts.CollectGarbageRequest(dry_run=True, grace=Duration(seconds=seconds))
    error = await refusal(stub.CollectGarbage(request))
    assert isinstance(error, InvalidRequestError)
    assert "grace time" in error.message


async def test_numbers_of_too_many_digits(channel, refusal):
    stub = resources_grpc.ResourceServiceStub(channel)
    job = resource_pb2.Resource(kind=resource_pb2.RESOURCE_KIND_JOB, name="1" * 200)
    error = await refusal(stub.UpdateTags(resources.UpdateTagsRequest(resource=job, add=["a"])))
    assert isinstance(error, InvalidRequestError)
    assert "named by their numbers" in error.message


async def test_a_search_that_no_database_takes(channel, refusal):
    stub = resources_grpc.ResourceServiceStub(channel)
    error = await refusal(stub.ListTags(resources.ListTagsRequest(search="a" * 70_000)))
    assert isinstance(error, InvalidRequestError)
    assert error.message == "search is longer than 1000 characters: it has 70000"


@pytest.mark.parametrize("content", [b"\xff" * 20, DEEP * 3 + b"\x0a", b"\x08"])
async def test_bytes_that_are_no_message(channel, refusal, content):
    call = channel.unary_unary("/dioptra_ray.api.controller.v1.PluginService/GetPlugin")
    error = await refusal(call(content))
    assert isinstance(error, InvalidRequestError)
    assert "not a message of this method" in error.message


async def test_refusals_fit_into_the_metadata_that_any_client_takes(controller):
    """A name is repeated in the answer: a client that takes gRPC's 8 KiB must get it."""
    async with grpc.aio.insecure_channel(controller.address) as channel:
        stub = plugins_grpc.PluginServiceStub(channel)
        for name in ("a" * 255, "日" * 255, "a" * 100_000, "日" * 100_000):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.GetPlugin(plugins.GetPluginRequest(name=name))
            wanted = {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT}
            assert raised.value.code() in wanted
            assert "grpc-status-details-bin" in dict(raised.value.trailing_metadata() or ())
