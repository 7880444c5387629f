"""Harmful archives, as a plugin and as a project: refused with reasons, and nothing has changed."""

import gzip
import io
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dioptra_ray.api.controller.v1 import plugin_service_pb2 as plugins
from dioptra_ray.api.controller.v1 import plugin_service_pb2_grpc as plugins_grpc
from dioptra_ray.api.controller.v1 import registry_service_pb2 as registry
from dioptra_ray.api.controller.v1 import registry_service_pb2_grpc as registry_grpc
from dioptra_ray.errors import ExhaustedError, InvalidRequestError
from dioptra_ray.plugins.bundle import MAX_FILES

Member = tuple[tarfile.TarInfo, bytes]
CONFIG = b'[[plugin_param_types]]\nname = "T"\nstructure = { list = "integer" }\n'
SOURCE = b"x = 1\n"


def file(name: str, content: bytes = SOURCE) -> Member:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


def renamed(name: str) -> Member:
    info, content = file("x.py")
    info.pax_headers = {"path": name}
    return info, content


def special(name: str, kind: bytes, target: str = "") -> Member:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info, b""


def pack(*members: Member, form: int = tarfile.PAX_FORMAT) -> bytes:
    """Members behind those that make a plugin and a project: the harm comes last."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=form) as archive:
        for info, content in (file("tasks.py"), file("dioptra.toml", CONFIG), *members):
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def patched(change: Callable[[bytearray], None]) -> bytes:
    """An archive of one file whose header is not what tarfile would write."""
    raw = bytearray(gzip.decompress(pack(file("lies.py"), form=tarfile.USTAR_FORMAT)))
    start = raw.index(b"lies.py")
    change(header := raw[start : start + 512])
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    raw[start : start + 512] = header
    return gzip.compress(bytes(raw))


def with_size(text: bytes) -> Callable[[bytearray], None]:
    def change(header: bytearray) -> None:
        header[124:136] = text.ljust(12, b"\0")

    return change


def with_name(text: bytes) -> Callable[[bytearray], None]:
    def change(header: bytearray) -> None:
        header[0:100] = text.ljust(100, b"\0")

    return change


CASES = {
    "climbs out": pack(file("../up.py")),
    "climbs out behind a folder": pack(file("a/../../up.py")),
    "climbs out with backslashes": pack(file("..\\up.py")),
    "absolute": pack(file("/etc/cron.d/x")),
    "absolute, with a drive": pack(file("C:/x.py")),
    "a dot as a name": pack(file("a/./b.py")),
    "an empty name inside": pack(file("a//b.py")),
    "symbolic link": pack(special("link.py", tarfile.SYMTYPE, "/etc/passwd")),
    "symbolic link to a folder, then through it": pack(
        special("out", tarfile.SYMTYPE, "/tmp"), file("out/x.py")
    ),
    "hard link": pack(special("hard.py", tarfile.LNKTYPE, "/etc/passwd")),
    "hard link to an own file": pack(special("hard.py", tarfile.LNKTYPE, "tasks.py")),
    "device": pack(special("null", tarfile.CHRTYPE)),
    "block device": pack(special("disk", tarfile.BLKTYPE)),
    "pipe": pack(special("pipe", tarfile.FIFOTYPE)),
    "sparse": pack(special("holes.py", tarfile.GNUTYPE_SPARSE)),
    "the same twice": pack(file("tasks.py")),
    "the same twice, with a dot before": pack(file("./tasks.py")),
    "the same in another case": pack(file("Tasks.py")),
    "the same, composed otherwise": pack(file("caf\u00e9.py"), file("cafe\u0301.py")),
    "a file that is a folder": pack(file("tasks.py/inner.py")),
    "writing turned round": pack(file("a\u202eyp.exe")),
    "a width of nothing": pack(file("tas\u200bks.py")),
    "a line end": pack(file("a\nb.py")),
    "NUL in an extended name": pack(renamed("a\0b.py")),
    "bytes that are no text": patched(with_name(b"\xff\xfe.py")),
    "a negative size": patched(with_size(b"\xff" * 12)),
    "a size beyond the end": patched(with_size(b"00000100000")),
    "a size that is no number": patched(with_size(b"abc")),
    "cut short": pack()[:-40],
    "a damaged checksum": pack()[:-8] + b"\0" * 8,
    "no tar": gzip.compress(b"x" * 5000),
    "a tar without gzip": gzip.decompress(pack()),
    "a zip": b"PK\x03\x04" + b"\0" * 60,
    "nothing": b"",
}
BOMBS = {
    "a size of eight gigabytes": patched(with_size(b"77777777777")),
    "a bomb": pack(file("zeros.py", b"\0" * 40_000_000)),
    "a bomb in a comment": gzip.compress(gzip.decompress(pack()) + b"\0" * 40_000_000),
    "a bomb in an extended header": pack(file("n" * 20_000_000)),
    "too many files": pack(*(file(f"{number}.py", b"") for number in range(MAX_FILES))),
}


@pytest.fixture
def state(tmp_path: Path) -> Callable[[], object]:
    """Everything that the controller keeps but the audit log, which keeps refusals."""

    def look() -> object:
        with sqlite3.connect(f"file:{tmp_path / 'controller.db'}?mode=ro", uri=True) as database:
            rows = [line for line in database.iterdump() if "audit" not in line]
        database.close()
        store = tmp_path / "store"
        return rows, sorted(str(path.relative_to(store)) for path in store.rglob("*"))

    return look


@pytest.mark.parametrize("name", [*CASES, *BOMBS])
async def test_as_a_plugin(name, channel, refusal, state):
    content = (CASES | BOMBS)[name]
    before = state()
    stub = plugins_grpc.PluginServiceStub(channel)
    error = await refusal(stub.PutPlugin(plugins.PutPluginRequest(name="p", archive=content)))
    check(name, error)
    assert state() == before


@pytest.mark.parametrize("name", [*CASES, *BOMBS])
async def test_as_a_project(name, channel, refusal, state):
    content = (CASES | BOMBS)[name]
    before = state()
    stub = registry_grpc.RegistryServiceStub(channel)
    request = registry.ImportResourcesRequest(archive=content)
    error = await refusal(stub.ImportResources(request))
    check(name, error)
    assert state() == before


def check(name: str, error: Exception) -> None:
    assert type(error) is (InvalidRequestError if name in CASES else ExhaustedError), error
    assert str(error)
    assert "/tmp/" not in str(error)


async def test_the_same_without_the_harm_is_taken(channel):
    """So that what is refused above is refused for its last member and nothing else."""
    stub = plugins_grpc.PluginServiceStub(channel)
    await stub.PutPlugin(plugins.PutPluginRequest(name="p", archive=pack(file("café.py"))))
    importing = registry_grpc.RegistryServiceStub(channel)
    found = await importing.ImportResources(registry.ImportResourcesRequest(archive=pack()))
    assert [one.name for one in found.resources] == ["T"]
