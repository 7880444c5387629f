"""Another real S3 service for tests: OpenStack Swift from Debian, which shares no code with Ceph.

One process each for accounts, containers, objects and the proxy that speaks S3, on free
loopback ports, with one device in a folder; as root, without replicators.
"""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.tools.s3_server import S3Server, free_ports

PROGRAM = Path("/usr/bin/swift-proxy-server")
_START_SECONDS = 60
_PARTS = ("account", "container", "object")

_STORAGE = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = root
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
workers = 0
log_level = WARNING
fallocate_reserve = 0
[pipeline:main]
pipeline = {part}-server
[app:{part}-server]
use = egg:swift#{part}
"""
_PROXY = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = root
swift_dir = {folder}
workers = 0
log_level = WARNING
[pipeline:main]
pipeline = catch_errors cache s3api tempauth bulk slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = us-east-1
# Not as slow to list as Swift is by default in checking who owns what.
check_bucket_owner = false
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testers-secret .admin .reseller_admin
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""

_RINGS = """\
import sys
from swift.common.ring import RingBuilder
folder, *parts = sys.argv[1:]
for part in parts:
    name, port = part.split("=")
    builder = RingBuilder(4, 1, 0)
    where = {"ip": "127.0.0.1", "port": int(port), "device": "d1", "meta": ""}
    builder.add_dev({"region": 1, "zone": 1, "weight": 1, **where})
    builder.rebalance()
    builder.get_ring().save(f"{folder}/{name}.ring.gz")
"""


@contextlib.contextmanager
def swift_server(folder: Path) -> Iterator[S3Server]:
    """Start a service that keeps its state in `folder`, and stop it at the end."""
    (folder / "devices" / "d1").mkdir(parents=True)
    memcached, *rest = free_ports("127.0.0.1", 5)
    ports = dict(zip((*_PARTS, "proxy"), rest, strict=True))
    _make_rings(folder, ports)
    with contextlib.ExitStack() as stack:
        command = ["memcached", "-u", "root", "-l", "127.0.0.1", "-p", str(memcached)]
        stack.enter_context(_running(command, folder / "memcached.log"))
        for part, port in ports.items():
            config = folder / f"{part}.conf"
            template = _PROXY if part == "proxy" else _STORAGE
            values = {"part": part, "port": port, "folder": folder, "memcached": memcached}
            config.write_text(template.format(**values))
            command = [f"swift-{part}-server", str(config), "-v"]
            stack.enter_context(_running(command, folder / f"{part}.log"))
        for part, port in ports.items():
            _await(port, folder / f"{part}.log")
        yield S3Server(
            endpoint=f"127.0.0.1:{ports['proxy']}",
            access_key="test:tester",
            secret_key="testers-secret",
            environment={},
        )


def _make_rings(folder: Path, ports: Mapping[str, int]) -> None:
    # In one process of the system's Python, where Swift is installed.
    given = [str(folder), *(f"{part}={ports[part]}" for part in _PARTS)]
    command = ["/usr/bin/python3", "-c", _RINGS, *given]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@contextlib.contextmanager
def _running(command: list[str], log_file: Path) -> Iterator[None]:
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(port: int, log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > end:
            raise RuntimeError(f"Swift does not start: {log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.05)


def is_installed() -> bool:
    """Whether Swift's programs are there."""
    return os.access(PROGRAM, os.X_OK)
