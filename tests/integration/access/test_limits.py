"""What each caller may: rates, streams, time; and that nobody else is held up by it."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from dioptra_controller.bootstrap import Controller
from dioptra_controller.settings import Settings
from dioptra_ray.client import Client
from dioptra_ray.errors import ThrottledError, UnavailableError
from tests.integration.access.conftest import World

BOOTSTRAP = "the-bootstrap-token"
UPLOAD = "/dioptra_ray.api.controller.v1.ArtifactService/UploadArtifact"
WATCH = "/dioptra_ray.api.controller.v1.SweepService/WatchSweep"
CREATE = "/dioptra_ray.api.controller.v1.ExperimentService/CreateExperiment"


@asynccontextmanager
async def world_with(settings: Settings, **limits: Any) -> AsyncIterator[World]:
    controller = Controller(settings.model_copy(update=limits))
    await controller.start()
    try:
        async with grpc.aio.insecure_channel(controller.address) as channel:
            secrets = {"bootstrap": BOOTSTRAP}
            world = World(address=controller.address, secrets=secrets, channel=channel)
            for who in ("ann", "ben"):
                await world.make_token(who, [("default", "admin")])
            yield world
    finally:
        await controller.stop()


async def test_who_is_too_fast_is_told_when_to_come_again(settings):
    async with world_with(settings, changes_per_second=0.01, burst_seconds=200) as world:
        for number in range(2):
            await world.call("ann", "CreateExperiment", {"name": f"ann {number}"})
        error = await world.refusal("ann", "CreateExperiment", {"name": "one too many"})
        assert isinstance(error, ThrottledError)
        assert 90 < error.retry_seconds <= 100
        # Reading goes on, and so do all others.
        await world.call("ann", "ListExperiments", {})
        await world.call("ben", "CreateExperiment", {"name": "ben"})
        for number in range(5):
            await world.call("bootstrap", "CreateExperiment", {"name": f"operator {number}"})
        names = await world.call("ann", "ListExperiments", {})
        assert "one too many" not in [one.name for one in names[0].experiments]


async def test_the_refusal_is_what_any_client_of_grpc_understands(settings):
    async with world_with(settings, calls_per_second=0.01, burst_seconds=100) as world:
        call = world.channel.unary_unary(CREATE)
        metadata = [("authorization", f"Bearer {world.secrets['ann']}")]
        await call(b"\x12\x01a", metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(b"\x12\x01b", metadata=metadata)
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    details = dict(raised.value.trailing_metadata() or ())["grpc-status-details-bin"]
    retry, request = error_details_pb2.RetryInfo(), error_details_pb2.RequestInfo()
    found = Status.FromString(details).details
    assert any(one.Unpack(retry) for one in found)
    assert 90 < retry.retry_delay.ToTimedelta().total_seconds() <= 100
    assert any(one.Unpack(request) for one in found)
    assert request.request_id


async def test_the_client_waits_as_it_is_told(settings):
    """Ten calls at ten a second with a burst of one: all work, none before its time."""
    async with world_with(settings, calls_per_second=10, burst_seconds=0.1) as world:
        with Client(world.address, token=world.secrets["ann"]) as client:
            started = time.monotonic()
            for _ in range(10):
                await asyncio.to_thread(client.experiments.list)
            assert time.monotonic() - started >= 0.8


async def test_streams_have_a_largest_number(settings):
    async with world_with(settings, streams_per_caller=2) as world:
        call = world.channel.stream_unary(UPLOAD)
        metadata = [("authorization", f"Bearer {world.secrets['ann']}")]
        open_ones = [call(metadata=metadata) for _ in range(2)]
        for one in open_ones:
            await one.wait_for_connection()
        await watch_until(world, throttled=True)
        other = await world.refusal("ben", "WatchSweep", {"id": 99})
        assert not isinstance(other, ThrottledError)
        for one in open_ones:
            one.cancel()
        await watch_until(world, throttled=False)


async def watch_until(world: World, *, throttled: bool) -> None:
    """Ask until the controller has noticed what became of the streams."""
    async with asyncio.timeout(30):
        seen = not throttled
        while seen is not throttled:
            error = await world.refusal("ann", "WatchSweep", {"id": 99})
            seen = isinstance(error, ThrottledError)


async def test_an_upload_that_says_nothing_is_ended(settings):
    async with world_with(settings, call_seconds=0.2) as world:
        metadata = [("authorization", f"Bearer {world.secrets['ann']}")]
        call = world.channel.stream_unary(UPLOAD)(metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await asyncio.wait_for(call, 30)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "nothing came for 0.2 s" in (raised.value.details() or "")


async def test_a_call_without_a_deadline_gets_one(settings, tmp_path: Path):
    async with world_with(settings, call_seconds=0.2) as world:
        lock = sqlite3.connect(tmp_path / "controller.db", isolation_level=None)
        try:
            lock.execute("BEGIN EXCLUSIVE")
            error = await world.refusal("bootstrap", "CreateExperiment", {"name": "slow"})
        finally:
            lock.execute("ROLLBACK")
            lock.close()
    assert isinstance(error, UnavailableError)
    assert "longer than 0.2 s" in error.message


async def test_uploads_are_slowed_down_and_not_refused(settings):
    async with world_with(settings, upload_bytes_per_second=200_000, burst_seconds=0.5) as world:
        header = {"name": "large", "basename": "large.bin"}
        content = [{"content": b"x" * 50_000} for _ in range(6)]
        started = time.monotonic()
        parts = ({"header": header}, {"path": "large.bin"}, *content)
        (stored,) = await world.call("ann", "UploadArtifact", *parts)
        # 300 kB, of which 100 kB at once.
        assert time.monotonic() - started >= 0.9
        assert stored.artifact.files[0].size == 300_000
