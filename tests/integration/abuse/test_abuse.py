"""Connections that misbehave below the level of calls: the controller answers others meanwhile,

and afterwards has given back what they took. A real process, so that it can be measured.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dioptra_ray.client import Client
from tests.integration.abuse.http2 import (
    DATA,
    END_STREAM,
    PING,
    RST,
    RawConnection,
    close_all,
    frame,
    message,
)

UPLOAD = "/dioptra_ray.api.controller.v1.ArtifactService/UploadArtifact"
DOWNLOAD = "/dioptra_ray.api.controller.v1.ArtifactService/DownloadArtifact"
LIST = "/dioptra_ray.api.controller.v1.ExperimentService/ListExperiments"
TOKEN = "a-token-of-this-test"
AUTHORIZATION = (b"authorization", f"Bearer {TOKEN}".encode())
# Python and gRPC keep some of what they once needed; a leak of what is done here is far more.
MEMORY_TOLERANCE = 150 * 1024 * 1024
HANDLES_TOLERANCE = 10
PATIENCE = 60.0
Misbehave = Callable[[str], list[RawConnection]]


class Process:
    """A controller, seen from outside."""

    def __init__(self, folder: Path) -> None:
        token, address = folder / "token", folder / "address"
        token.write_text(TOKEN)
        environment = {
            **os.environ,
            "DIOPTRA_LISTEN": "127.0.0.1:0",
            "DIOPTRA_DATABASE_URL": f"sqlite:///{folder / 'controller.db'}",
            "DIOPTRA_STORE_URL": (folder / "store").as_uri(),
            "DIOPTRA_TOKEN_FILE": str(token),
            "DIOPTRA_ADDRESS_FILE": str(address),
        }
        command = [sys.executable, "-m", "dioptra_controller"]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, env=environment, stderr=log)
        self._proc = Path(f"/proc/{self._process.pid}")
        wait_for(address.exists)
        self.address = address.read_text()

    @property
    def memory(self) -> int:
        """Bytes that are really in use."""
        pages = int((self._proc / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def handles(self) -> int:
        return len(list((self._proc / "fd").iterdir()))

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "this has not happened in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("abuse")
    found = Process(folder)
    (folder / "large.bin").write_bytes(os.urandom(8 * 1024 * 1024))
    try:
        with Client(found.address, token=TOKEN) as client:
            client.artifacts.upload(folder / "large.bin", name="large")
            for _ in range(50):  # so that what is only made once is there
                client.experiments.list()
        yield found
    finally:
        found.stop()


def slow_streams(address: str) -> list[RawConnection]:
    """A message whose bytes hardly come."""
    made = [RawConnection(address) for _ in range(50)]
    streams = [one.begin(UPLOAD, AUTHORIZATION) for one in made]
    for byte in message(b"x" * 1000)[:3]:
        for one, stream in zip(made, streams, strict=True):
            one.data(stream, bytes([byte]))
    return made


def idle_streams(address: str) -> list[RawConnection]:
    """Calls that say nothing, hundreds of them over few connections."""
    made = [RawConnection(address) for _ in range(4)]
    for one in made:
        for _ in range(90):
            one.begin(UPLOAD, AUTHORIZATION)
    return made


def huge_metadata(address: str) -> list[RawConnection]:
    made = [RawConnection(address) for _ in range(10)]
    for one in made:
        one.begin(LIST, (b"x-much", b"x" * 8_000_000))
    return made


def half_closed(address: str) -> list[RawConnection]:
    """Calls that end before they have said anything."""
    made = [RawConnection(address) for _ in range(4)]
    for one in made:
        for method in (UPLOAD, LIST, DOWNLOAD) * 20:
            one.begin(method, AUTHORIZATION, flags=END_STREAM)
    return made


def never_read(address: str) -> list[RawConnection]:
    """Downloads of eight megabytes that nobody takes off the wire."""
    made = [RawConnection(address) for _ in range(20)]
    for one in made:
        for _ in range(4):
            stream = one.begin(DOWNLOAD, AUTHORIZATION)
            one.data(stream, message(b"\x08\x01"), flags=END_STREAM)
    return made


def floods_of_pings(address: str) -> list[RawConnection]:
    made = [RawConnection(address) for _ in range(4)]
    for one in made:
        for _ in range(100):
            one.send(frame(PING, 0, 0, b"12345678") * 100)
    return made


def no_request(address: str) -> list[RawConnection]:
    return [RawConnection(address, preface=number % 2 == 0) for number in range(200)]


def larger_than_the_limit(address: str) -> list[RawConnection]:
    made = [RawConnection(address) for _ in range(10)]
    for one in made:
        stream = one.begin(LIST, AUTHORIZATION)
        one.data(stream, message(b"x" * 10_000, size=2**31 - 1))
    return made


def storms_of_resets(address: str) -> list[RawConnection]:
    made = [RawConnection(address) for _ in range(4)]
    for one in made:
        for _ in range(500):
            stream = one.begin(UPLOAD, AUTHORIZATION)
            one.send(frame(RST, 0, stream, b"\0\0\0\x08"))
    return made


def noise(address: str) -> list[RawConnection]:
    made = [RawConnection(address, preface=False) for _ in range(20)]
    for one in made:
        one.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(range(256)) * 20)
    return made


WAYS: tuple[Misbehave, ...] = (
    slow_streams,
    idle_streams,
    huge_metadata,
    half_closed,
    never_read,
    floods_of_pings,
    no_request,
    larger_than_the_limit,
    storms_of_resets,
    noise,
)


# Those from which the server may hang up, or has nothing to answer.
UNSETTLED = {huge_metadata, floods_of_pings, no_request, noise}


def test_the_connection_is_understood(process: Process) -> None:
    """So that what follows is what it says, and not bytes that the server throws away."""
    with RawConnection(process.address) as connection:
        stream = connection.begin(LIST, AUTHORIZATION)
        connection.data(stream, message(b""), flags=END_STREAM)
        for kind, _, number, payload in connection.read_frames():
            if kind == DATA and number == stream:
                assert payload[0] == 0
                return
    pytest.fail("there was no answer")


@pytest.mark.parametrize("misbehave", WAYS, ids=lambda way: way.__name__)
def test_others_are_served_and_everything_is_given_back(
    misbehave: Misbehave, process: Process
) -> None:
    memory, handles = process.memory, process.handles
    made = misbehave(process.address)
    try:
        if misbehave not in UNSETTLED:
            assert all(one.settle() for one in made)
        with Client(process.address, token=TOKEN, patience=0) as client:
            client.experiments.list()
    finally:
        close_all(made)
    wait_for(lambda: process.handles <= handles + HANDLES_TOLERANCE)
    wait_for(lambda: process.memory <= memory + MEMORY_TOLERANCE)
    assert process.is_alive()


def test_all_of_it_again_takes_no_more_than_the_first_time(process: Process) -> None:
    """What leaks leaks every time; what is only kept for the next time does not grow."""
    for way in WAYS:
        close_all(way(process.address))
    memory, handles = process.memory, process.handles
    for _ in range(3):
        for way in WAYS:
            close_all(way(process.address))
    with Client(process.address, token=TOKEN, patience=0) as client:
        client.experiments.list()
    wait_for(lambda: process.handles <= handles + HANDLES_TOLERANCE)
    wait_for(lambda: process.memory <= memory + MEMORY_TOLERANCE)
