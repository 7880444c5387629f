"""A whole controller in this process: real gRPC on a free port, SQLite, a directory store."""

import gzip
import io
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc.status_pb2 import Status

from dioptra_controller.bootstrap import Controller
from dioptra_controller.settings import Settings
from dioptra_ray.errors import DioptraError
from dioptra_ray.wire.status import from_status

StartController = Callable[..., Awaitable[Controller]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        listen="127.0.0.1:0",
        database_url=f"sqlite:///{tmp_path / 'controller.db'}",
        store_url=(tmp_path / "store").as_uri(),
    )


@pytest.fixture
async def start_controller(settings: Settings) -> AsyncIterator[StartController]:
    """Starts a controller with changed settings; all are stopped at the end."""
    async with AsyncExitStack() as stack:

        async def start(**changes: Any) -> Controller:
            controller = Controller(settings.model_copy(update=changes))
            stack.push_async_callback(controller.stop)
            await controller.start()
            return controller

        yield start


@pytest.fixture
async def controller(start_controller: StartController) -> Controller:
    return await start_controller()


@pytest.fixture
async def channel(controller: Controller) -> AsyncIterator[grpc.aio.Channel]:
    options = [("grpc.max_metadata_size", 1 << 20)]
    async with grpc.aio.insecure_channel(controller.address, options=options) as channel:
        yield channel


@pytest.fixture
def refusal() -> Callable[[Awaitable[Any]], Awaitable[DioptraError]]:
    """Awaits a call that must fail, and gives the error that a client would raise."""

    async def refuse(call: Awaitable[Any]) -> DioptraError:
        with pytest.raises(grpc.RpcError) as raised:
            await call
        metadata = dict(raised.value.trailing_metadata() or ())
        return from_status(Status.FromString(metadata["grpc-status-details-bin"]))

    return refuse


@pytest.fixture
def archive() -> Callable[[Mapping[str, str | bytes]], bytes]:
    def pack(files: Mapping[str, str | bytes]) -> bytes:
        buffer = io.BytesIO()
        # Without a time stamp, so that equal files make equal archives.
        with (
            gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as compressed,
            tarfile.open(fileobj=compressed, mode="w") as tar,
        ):
            for path, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                member = tarfile.TarInfo(path)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        return buffer.getvalue()

    return pack
