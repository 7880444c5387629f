"""A whole deployment over several hosts: Ray nodes, a runner, a controller, an S3 service.

The Ray nodes are hosts of their own, the runner lives on the head's. Controller and store
are on this machine, which the hosts reach as their gateway.
"""

import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import yaml

from dioptra_ray.client import Client
from dioptra_ray.client.job import Job
from tests.tools.hosts import Host, Hosts, hosts
from tests.tools.s3_server import S3Server, s3_server

BIN = Path(sys.executable).parent
SCRATCH = Path("/tmp/dioptra-cluster-scratch")
"""Each host has its own directory there."""

PRIVATE = (Path("/tmp/ray"), SCRATCH)
START_SECONDS = 90
# As docs/clusters.md has it, and failures noticed sooner than anybody needs.
RAY = {
    "RAY_grpc_client_keepalive_time_ms": "5000",
    "RAY_grpc_client_keepalive_timeout_ms": "5000",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
}


class Deployment:
    """What runs, and how to talk to it."""

    def __init__(self, hosts: Hosts, folder: Path, s3: S3Server) -> None:
        self._hosts = hosts
        self._folder = folder
        self._names: dict[str, Host] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        token = secrets.token_hex(16)
        (folder / "token").write_text(token)
        kept = ("PATH", "PYTHONPATH", "HOME", "LANG")
        self._environment = {name: os.environ[name] for name in kept if name in os.environ}
        self._environment |= {**s3.variables(), **RAY, "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.store_url = "s3://artifacts/cluster"
        # The bridge between the hosts is this machine's own.
        self.client = Client(self._start_controller(s3), token=token, insecure=True)

    def close(self) -> None:
        """End the controller; the hosts end with their network."""
        self.client.close()
        for process in self._processes:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def address(self, name: str) -> str:
        """The address of a host."""
        return self._names[name].address

    def scratch(self, name: str) -> Path:
        """The scratch directory of a host."""
        return self._hosts.files(self._names[name], SCRATCH)

    def add_head(self) -> None:
        """Start the head, which runs no stages, and the runner on it."""
        head = self._start_node(
            "head", "--head", "--port=6379", "--num-cpus=0", "--include-dashboard=false"
        )
        self._wait_for_port(head.address, 6379)
        runner = [sys.executable, "-m", "dioptra_workers", "--name", "cluster"]
        runner += ["--controller", self.client.address, "--ray-address", f"{head.address}:6379"]
        runner += ["--store-url", self.store_url, "--scratch-dir", str(SCRATCH)]
        runner += ["--token-file", str(self._folder / "token"), "--insecure", "--slots", "8"]
        with (self._folder / "runner.log").open("wb") as output:
            head.run(*runner, environment=self._environment, output=output)

    def add_node(self, name: str, *, cpus: int = 1, gpus: int = 0, **labels: str) -> None:
        """Start another node; it joins on its own time."""
        said = ",".join(f"{key}={value}" for key, value in labels.items())
        options = [f"--labels={said}"] if said else []
        self._start_node(
            name,
            f"--address={self.address('head')}:6379",
            f"--num-cpus={cpus}",
            f"--num-gpus={gpus}",
            *options,
        )

    def kill(self, name: str) -> None:
        """Pull the plug of a host."""
        self._names.pop(name).kill()

    def host(self, name: str) -> Host:
        """A host that runs."""
        return self._names[name]

    def wait_until_ready(self, **resources: float) -> None:
        """Wait until the controller knows a runner whose cluster has all of this."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            found = [runner.resources for runner in self.client.cluster().runners]
            if any(all(one.get(k, 0) >= v for k, v in resources.items()) for one in found):
                return
            assert time.monotonic() < deadline, f"{found}\n{self.logs()}"
            time.sleep(0.1)

    def logs(self) -> str:
        """The ends of all logs, for whoever has to find out why a test failed."""
        files = [*self._folder.glob("*.log"), *(host.log for host in self._names.values())]
        return "\n".join(f"{file}:\n{file.read_text(errors='replace')[-3000:]}" for file in files)

    def submit(
        self,
        name: str,
        source: str,
        description: Mapping[str, Any],
        parameters: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Job:
        """Register plugin `p` with `tasks.py`, and an entrypoint that uses it; run that."""
        self.client.plugins.put({"tasks.py": dedent(source).encode()}, name=name)
        text = yaml.safe_dump(dict(description), sort_keys=False)
        self.client.entrypoints.put(name, text, plugins=[name])
        return self.client.jobs.submit(name, parameters, **options)

    def _start_controller(self, s3: S3Server) -> str:
        file = self._folder / "address"
        gateway = self._hosts.gateway
        environment = {name: v for name, v in os.environ.items() if not name.startswith("DIOPTRA")}
        environment |= s3.variables() | {
            "DIOPTRA_LISTEN": f"{gateway}:0",
            "DIOPTRA_DATABASE_URL": f"sqlite:///{self._folder}/controller.db",
            "DIOPTRA_STORE_URL": self.store_url,
            "DIOPTRA_TOKEN_FILE": str(self._folder / "token"),
            "DIOPTRA_ADDRESS_FILE": str(file),
            "DIOPTRA_LEASE_SECONDS": "4",
        }
        with (self._folder / "controller.log").open("wb") as output:
            controller = subprocess.Popen(
                [sys.executable, "-m", "dioptra_controller"],
                env=environment,
                stdout=output,
                stderr=output,
            )
        self._processes.append(controller)
        deadline = time.monotonic() + START_SECONDS
        while not (file.exists() and (address := file.read_text().strip())):
            assert controller.poll() is None, self.logs()
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.05)
        return address

    def _start_node(self, name: str, *options: str) -> Host:
        command = [str(BIN / "ray"), "start", "--node-ip-address={address}", "--block"]
        command += ["--object-store-memory=100000000", "--disable-usage-stats", *options]
        self._names[name] = self._hosts.start(name, *command, environment=self._environment)
        return self._names[name]

    def _wait_for_port(self, address: str, port: int) -> None:
        import socket  # noqa: PLC0415

        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
                return
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.05)


@contextlib.contextmanager
def deployment(folder: Path) -> Iterator[Deployment]:
    """A controller and a store, and a network for hosts; all of it ends with the context."""
    # Ray's sockets have long names already.
    with hosts(folder, PRIVATE) as network, s3_server(folder / "s3", network.gateway) as s3:
        made = Deployment(network, folder, s3)
        try:
            yield made
        finally:
            made.close()
