"""The S3 services that the store is tested against.

Ceph and Swift are always there: the tests fail where they cannot start. MinIO joins them
when its program is on the path, and any service when DIOPTRA_TEST_S3_URL names it, as
`http://access-key:secret-key@host:port`.
"""

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from pydantic import SecretStr

from dioptra_ray.store import StoreSettings
from tests.tools.s3_server import S3Server, free_ports, s3_server
from tests.tools.swift_server import swift_server

Start = Callable[[Path], AbstractContextManager[S3Server]]


def settings(server: S3Server, **changes: object) -> StoreSettings:
    """How a service is reached."""
    return StoreSettings(
        endpoint=server.endpoint,
        access_key=SecretStr(server.access_key),
        secret_key=SecretStr(server.secret_key),
        secure=server.environment.get("scheme") == "https",
    ).model_copy(update=changes)


def ceph_on_disk(folder: Path) -> AbstractContextManager[S3Server]:
    return s3_server(folder / "state", kind="bluestore")


@contextmanager
def minio(folder: Path) -> Iterator[S3Server]:
    address = f"127.0.0.1:{free_ports('127.0.0.1', 1)[0]}"
    user, password = "tester", secrets.token_hex(16)
    command = ["minio", "server", str(folder / "data"), "--address", address]
    environment = {**os.environ, "MINIO_ROOT_USER": user, "MINIO_ROOT_PASSWORD": password}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 60
        while not _is_live(f"http://{address}/minio/health/live"):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"MinIO does not start: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield S3Server(endpoint=address, access_key=user, secret_key=password, environment={})
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def given(_: Path) -> Iterator[S3Server]:
    parts = urlsplit(os.environ["DIOPTRA_TEST_S3_URL"])
    yield S3Server(
        endpoint=parts.netloc.rpartition("@")[2],
        access_key=unquote(parts.username or ""),
        secret_key=unquote(parts.password or ""),
        environment={"scheme": parts.scheme},
    )


def _is_live(url: str) -> bool:
    with suppress(OSError), urlopen(url, timeout=1) as answer:
        return bool(answer.status == 200)
    return False


SERVICES: dict[str, Start] = {"ceph-on-disk": ceph_on_disk, "swift": swift_server}
if shutil.which("minio"):
    SERVICES["minio"] = minio
if "DIOPTRA_TEST_S3_URL" in os.environ:
    SERVICES["given"] = given
