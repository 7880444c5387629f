"""A real S3 service for tests: starts `s3.sh` on free loopback ports and stops it again."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("s3.sh")
_START_SECONDS = 170


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """A running S3 service.

    Attributes:
        endpoint: host:port.
        access_key: A valid access key.
        secret_key: Its secret.
        environment: What `s3.sh` needs to act on this service.
        tls_endpoint: host:port of TLS; empty without.
    """

    endpoint: str
    access_key: str
    secret_key: str
    environment: dict[str, str]
    tls_endpoint: str = ""

    def control(self, command: str) -> None:
        """Run `s3.sh kill-gw`, `start`, ...; raises when it fails."""
        _run(command, self.environment)

    def add_user(self, name: str, secret_key: str) -> None:
        """Make a user who owns no bucket and may make none; its name is its access key."""
        folder = self.environment["S3_DIR"]
        command = ["radosgw-admin", "-c", f"{folder}/ceph.conf", "-n", "client.admin"]
        options = [f"--uid={name}", f"--display-name={name}", f"--access-key={name}"]
        options += [f"--secret-key={secret_key}", "--max-buckets=-1"]
        subprocess.run(
            [*command, "user", "create", *options], check=True, capture_output=True, timeout=60
        )

    def variables(self) -> dict[str, str]:
        """What dioptra-ray reads from the environment to use this service."""
        return {
            "DIOPTRA_S3_ENDPOINT": self.endpoint,
            "DIOPTRA_S3_ACCESS_KEY": self.access_key,
            "DIOPTRA_S3_SECRET_KEY": self.secret_key,
            "DIOPTRA_S3_SECURE": "false",
        }


@contextlib.contextmanager
def s3_server(
    directory: Path,
    address: str = "127.0.0.1",
    *,
    kind: str = "memstore",
    certificate: Path | None = None,
) -> Iterator[S3Server]:
    """Start a service that keeps its state in `directory`, and stop it at the end.

    Args:
        directory: Made, and removed at the end.
        address: Where it listens, on free ports.
        kind: Where it keeps objects: "memstore", or "bluestore" for the disk.
        certificate: PEM file with a certificate and its key; it also speaks TLS then.
    """
    port, monitor_port, tls_port = free_ports(address, 3)
    environment = {
        **os.environ,
        "S3_DIR": str(directory),
        "S3_ADDR": address,
        "S3_PORT": str(port),
        "S3_MON_PORT": str(monitor_port),
        "S3_ACCESS_KEY": "tester",
        "S3_SECRET_KEY": "testers-secret",
        "S3_SIZE": str(4 << 30),
        "S3_STORE": kind,
        "S3_TLS_CERT": "" if certificate is None else str(certificate),
        "S3_TLS_PORT": str(tls_port),
    }
    try:
        _run("start", environment)
        yield S3Server(
            endpoint=f"{address}:{port}",
            access_key=environment["S3_ACCESS_KEY"],
            secret_key=environment["S3_SECRET_KEY"],
            environment=environment,
            tls_endpoint=f"{address}:{tls_port}" if certificate else "",
        )
    finally:
        _run("wipe", environment)


def _run(command: str, environment: dict[str, str]) -> None:
    # Output goes to a file: the daemons inherit it, and a pipe would never end.
    log = Path(environment["S3_DIR"]).with_suffix(".log")
    with log.open("ab") as output:
        done = subprocess.run(
            [SCRIPT, command],
            env=environment,
            stdout=output,
            stderr=output,
            timeout=_START_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(f"s3.sh {command} failed: {log.read_text(errors='replace')[-4000:]}")


def free_ports(address: str, count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((address, 0))
        return [int(each.getsockname()[1]) for each in sockets]
