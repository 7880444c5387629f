"""How artifacts move to and from S3: in bounded memory, and through an outage."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dioptra_ray.store import open_store
from tests.contract.store.case import KEY, Pattern
from tests.contract.store.services import settings
from tests.tools.s3_server import S3Server

_MEASURED = """
import sys
from pathlib import Path
from dioptra_ray.store import open_store
store = open_store(sys.argv[1])
store.put_blob("first", b"x")
def peak():
    # Not `ru_maxrss`, which begins with what the process had that started this one.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])
before = peak()
store.put_artifact(sys.argv[2], Path(sys.argv[3]))
store.get_artifact(sys.argv[2], Path(sys.argv[4]))
print((peak() - before) // 1024)
"""


def test_memory_is_bounded(s3: S3Server, bucket: str, tmp_path: Path) -> None:
    """Measured on the whole process; the files together are several times as large."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("one", "other"):
        content = Pattern(256 << 20)
        with (source / name).open("wb") as file:
            while chunk := content.read(1 << 20):
                file.write(chunk)
    url = f"s3://{bucket}/x"
    open_store(url, settings(s3)).check()
    ran = subprocess.run(
        [sys.executable, "-c", _MEASURED, url, KEY, source, tmp_path / "got"],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), **s3.variables()},
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert ran.returncode == 0, ran.stderr
    # More than one piece at a time is there, or nothing was measured.
    assert 10 < int(ran.stdout) < 150
    assert (tmp_path / "got" / "source" / "other").stat().st_size == 256 << 20
    open_store(url, settings(s3)).delete_artifact(KEY)


@pytest.mark.parametrize("size", [0, 1, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, 16 << 20])
def test_sizes_around_those_of_parts(s3: S3Server, bucket: str, tmp_path: Path, size: int) -> None:
    content = Pattern(size).read()
    (tmp_path / "f").write_bytes(content)
    store = open_store(f"s3://{bucket}", settings(s3))
    store.check()
    store.put_artifact(KEY, tmp_path / "f")
    assert store.get_artifact(KEY, tmp_path / "got").read_bytes() == content
    assert b"".join(store.open_file(KEY, "")) == content
    tail = b"".join(store.open_file(KEY, "", begin=size - size // 3))
    assert tail == content[size - size // 3 :]


def test_upload_waits_for_a_service_that_comes_back(
    s3: S3Server, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "model").write_bytes(b"x" * (20 << 20))
    store = open_store(f"s3://{bucket}", settings(s3, patience=100))
    store.check()
    s3.control("kill-gw")
    try:
        failed: list[BaseException] = []

        def put() -> None:
            try:
                store.put_artifact(KEY, tmp_path / "model")
            except BaseException as error:  # noqa: BLE001 - shown below
                failed.append(error)

        thread = threading.Thread(target=put)
        thread.start()
    finally:
        s3.control("start")
    thread.join(150)
    assert not thread.is_alive()
    assert failed == []
    assert store.read_manifest(KEY).size == 20 << 20
