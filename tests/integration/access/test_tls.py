"""TLS with real certificates: the controller, the client and the runner."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from dioptra_controller.bootstrap import Controller
from dioptra_ray.api.runner.v1.runner_service_pb2 import GetPlanRequest
from dioptra_ray.api.runner.v1.runner_service_pb2_grpc import RunnerServiceStub
from dioptra_ray.client import Caller, Client
from dioptra_ray.errors import InvalidRequestError, UnauthenticatedError, UnavailableError
from dioptra_ray.wire.transport import Transport
from dioptra_workers.runner import link
from dioptra_workers.settings import RunnerSettings
from tests.integration.access.certificates import Authority, Pair

TOKEN = "the-bootstrap-token"
Start = Callable[..., Awaitable[Controller]]


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def pair(authority) -> Pair:
    return authority.issue("controller")


@pytest.fixture
async def start(settings, pair) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start_one(**changes: Any) -> Controller:
            files = {"tls_cert_file": pair.cert, "tls_key_file": pair.key}
            one = Controller(settings.model_copy(update={**files, **changes}))
            stack.push_async_callback(one.stop)
            await one.start()
            return one

        yield start_one


def look(address: str, **options: Any) -> str:
    options = {"token": TOKEN, "patience": 0.0, **options}
    with Client(address, **options) as client:
        return client.tokens.whoami().subject


async def test_a_client_that_knows_the_authority_gets_in(start, authority):
    controller = await start()
    address = controller.address
    assert await asyncio.to_thread(look, address, ca_file=authority.cert) == "bootstrap"
    named = f"https://{address}"
    assert await asyncio.to_thread(look, named, ca_file=str(authority.cert)) == "bootstrap"


async def test_nobody_else_does(start, tmp_path):
    controller = await start()
    other = Authority(tmp_path, "other")
    for options in ({}, {"tls": True}, {"ca_file": other.cert}):
        with pytest.raises(UnavailableError):
            await asyncio.to_thread(look, controller.address, **options)


async def test_a_certificate_is_asked_for_where_a_client_ca_is_set(start, authority, tmp_path):
    controller = await start(tls_client_ca_file=authority.cert)
    ca = {"ca_file": authority.cert}
    with pytest.raises(UnavailableError):
        await asyncio.to_thread(look, controller.address, **ca)
    strange = Authority(tmp_path, "other").issue("anna")
    options = {**ca, "cert_file": strange.cert, "key_file": strange.key}
    with pytest.raises(UnavailableError):
        await asyncio.to_thread(look, controller.address, **options)
    own = authority.issue("anna")
    options = {**ca, "cert_file": own.cert, "key_file": own.key}
    assert await asyncio.to_thread(look, controller.address, **options) == "bootstrap"


async def test_a_renewed_certificate_counts_without_a_restart(start, authority, pair, tmp_path):
    controller = await start()
    newer = Authority(tmp_path, "newer")
    renewed = newer.issue("controller")
    with pytest.raises(UnavailableError):
        await asyncio.to_thread(look, controller.address, ca_file=newer.cert)
    # Half-way, certificate and key do not belong together: the old ones go on.
    replace(renewed.cert, pair.cert)
    assert await asyncio.to_thread(look, controller.address, ca_file=authority.cert)
    replace(renewed.key, pair.key)
    assert await asyncio.to_thread(look, controller.address, ca_file=newer.cert)
    with pytest.raises(UnavailableError):
        await asyncio.to_thread(look, controller.address, ca_file=authority.cert)


async def test_a_key_of_another_certificate_is_refused_at_the_start(start, authority):
    with pytest.raises(InvalidRequestError, match="no certificate with its key"):
        await start(tls_key_file=authority.issue("other").key)
    with pytest.raises(InvalidRequestError, match="No such file"):
        await start(tls_cert_file=authority.cert.with_name("missing.pem"))


@pytest.mark.parametrize(
    "address", ["192.0.2.1:50051", "controller.example:50051", "[2001:db8::1]:1"]
)
def test_a_token_never_travels_in_the_clear(address):
    with pytest.raises(InvalidRequestError, match="would travel"):
        Client(address, token=TOKEN)
    Client(address, token=TOKEN, insecure=True).close()
    Client(address, token=TOKEN, tls=True).close()
    Client(f"https://{address}", token=TOKEN).close()
    Client(address).close()
    with pytest.raises(InvalidRequestError, match="without TLS"):
        Client(f"http://{address}", token=TOKEN, tls=True)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "localhost:1", "[::1]:1"])
def test_on_this_machine_it_may(address):
    Client(address, token=TOKEN).close()


async def test_a_certificate_may_say_who_one_is(start, authority):
    roles = {"anna": ["default:viewer"], "bert": ["runner"]}
    controller = await start(tls_client_ca_file=authority.cert, tls_client_roles=roles)

    def look_as(name: str, **more: Any) -> Caller:
        own = authority.issue(name)
        options = {"cert_file": own.cert, "key_file": own.key, "ca_file": authority.cert, **more}
        with Client(controller.address, patience=0.0, **options) as client:
            return client.tokens.whoami()

    anna = await asyncio.to_thread(look_as, "anna")
    assert (anna.subject, anna.token, anna.roles) == ("anna", "certificate", {"default": "viewer"})
    assert (await asyncio.to_thread(look_as, "bert")).is_runner
    # A token counts for more than a certificate.
    assert (await asyncio.to_thread(look_as, "anna", token=TOKEN)).subject == "bootstrap"
    with pytest.raises(UnauthenticatedError, match="certificate alone"):
        await asyncio.to_thread(look_as, "carla")


async def test_a_runner_speaks_tls(start, authority, settings, tmp_path):
    controller = await start(tls_client_ca_file=authority.cert)
    own = authority.issue("runner")
    runner = RunnerSettings(
        controller=f"https://{controller.address}",
        ray_address="local",
        queues=("default",),
        slots=1,
        name="here",
        store_url=settings.store_url,
        scratch_dir=tmp_path,
        token_file=settings.token_file,
        transport=Transport(ca_file=authority.cert, cert_file=own.cert, key_file=own.key),
    )
    async with link.open_channel(runner) as channel:
        stub = RunnerServiceStub(channel)
        with pytest.raises(grpc.RpcError) as raised:
            await stub.GetPlan(GetPlanRequest(digest="none"), metadata=runner.metadata())
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def replace(source: Path, target: Path) -> None:
    newer = target.with_suffix(".new")
    shutil.copy(source, newer)
    newer.replace(target)
