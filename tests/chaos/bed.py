"""A whole deployment of real processes, and what can be done to each of its parts.

Controller and runner speak through one proxy, workers and store through another. All
processes carry a marker in their environment, so that orphans are found.
"""

import contextlib
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from dioptra_ray.client import Client
from dioptra_ray.errors import UnavailableError
from tests.tools.proxy import Proxy
from tests.tools.s3_server import S3Server

MARKER = "DIOPTRA_CHAOS_MARKER"
LEASE_SECONDS = 4.0
_START_SECONDS = 60.0
_LOOK_SECONDS = 0.05


class Bed:
    """A controller, a runner with a Ray of its own, and the network between them.

    Attributes:
        client: Speaks with the controller directly.
        link: The network between runner and controller.
        store_link: The network between everybody and the store.
        store_url: The store, as all processes know it.
        s3: The store.
        ledger: The file that steps write to.
        chance: Where all decisions come from.
    """

    def __init__(self, folder: Path, s3: S3Server, database_url: str, seed: int) -> None:
        self.folder = folder
        self.s3 = s3
        self.ledger = folder / "ledger"
        self.chance = random.Random(seed)
        self._database_url = database_url
        self._token = secrets.token_hex(16)
        (folder / "token").write_text(self._token)
        self._marker = secrets.token_hex(8)
        self._runners = 0
        self._port = _free_port()
        self.store_url = f"s3://artifacts/{folder.name}"
        self.store_link = Proxy(s3.endpoint, seed=seed)
        self.link = Proxy(f"127.0.0.1:{self._port}", seed=seed)
        self.client = Client(f"127.0.0.1:{self._port}", token=self._token, patience=60)
        self.controller = self.runner = _nobody()

    # Its parts

    def start_controller(self) -> None:
        """Start the controller, in place of one that is gone, and wait until it answers."""
        environment = {
            "DIOPTRA_LISTEN": f"127.0.0.1:{self._port}",
            "DIOPTRA_DATABASE_URL": self._database_url,
            "DIOPTRA_LEASE_SECONDS": str(LEASE_SECONDS),
            "DIOPTRA_TOKEN_FILE": str(self.folder / "token"),
            "DIOPTRA_STORE_URL": self.store_url,
        }
        self.controller = self._start("controller", "dioptra_controller", environment)
        self.until(self.answers, "the controller answers")

    def start_runner(self, *, wait: bool = True) -> None:
        """Start a runner, in place of one that is gone."""
        self._runners += 1
        # Below /tmp itself: Ray's sockets have long names already.
        ray = Path(tempfile.mkdtemp(prefix="dcr-", dir="/tmp"))
        (self.folder / f"ray-{self._runners}").symlink_to(ray)
        arguments = ["--controller", self.link.address, "--ray-address", "local"]
        arguments += ["--queues", "*", "--num-cpus", "2", "--slots", "6"]
        arguments += ["--name", f"runner-{self._runners}", "--store-url", self.store_url]
        arguments += ["--scratch-dir", str(self.folder / "scratch")]
        arguments += ["--token-file", str(self.folder / "token"), "--temporary-dir", str(ray)]
        self.runner = self._start("runner", "dioptra_workers", {}, *arguments)
        if wait:
            name = f"runner-{self._runners}"
            self.until(lambda: self.has_runner(name), "the runner has come")

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """Kill -9, and bury it."""
        process.kill()
        process.wait()

    @contextlib.contextmanager
    def stalled(self, process: "subprocess.Popen[bytes]") -> Iterator[None]:
        """Let a process not run for a while, though it lives."""
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End everything."""
        self.client.close()
        for process in (self.runner, self.controller):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill(process)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.link.close()
        self.store_link.close()
        for ray in self.folder.glob("ray-*"):
            shutil.rmtree(ray.resolve(), ignore_errors=True)

    # What is known of it

    def answers(self) -> bool:
        """Whether the controller does."""
        assert self.controller.poll() is None, self.logs()
        with contextlib.suppress(UnavailableError), self.impatient() as client:
            client.cluster()
            return True
        return False

    def has_runner(self, name: str = "") -> bool:
        """Whether a runner is connected: this one, or any."""
        assert self.runner.poll() is None, self.logs()
        with contextlib.suppress(UnavailableError), self.impatient() as client:
            found = [runner.name for runner in client.cluster().runners]
            return name in found if name else bool(found)
        return False

    def impatient(self) -> Client:
        """A client that takes no answer for an answer."""
        return Client(self.client.address, token=self._token, patience=1)

    def processes(self) -> dict[int, tuple[int, str]]:
        """Parent and command line of all processes of this deployment that live, by id."""
        wanted = f"{MARKER}={self._marker}".encode()
        found = {}
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if wanted not in (place / "environ").read_bytes().split(b"\0"):
                    continue
                fields = (place / "stat").read_text().rpartition(")")[2].split()
                command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if fields[0] not in "ZX":
                    found[int(place.name)] = (int(fields[1]), command.strip())
        return found

    def orphans(self) -> list[str]:
        """Command lines of processes that descend from none of our living ones."""
        processes = self.processes()
        ours = {self.controller.pid, self.runner.pid}
        found = []
        for pid, (_, command) in processes.items():
            ancestor = pid
            while ancestor in processes and ancestor not in ours:
                ancestor = processes[ancestor][0]
            if ancestor not in ours:
                found.append(f"{pid} {command[:200]}")
        return found

    def workers(self) -> list[int]:
        """Processes of Ray that run steps, by what they call themselves."""
        return [
            pid for pid, (_, command) in self.processes().items() if command.startswith("ray::")
        ]

    def steps(self, what: str = "begun") -> list[list[str]]:
        """The lines of the ledger: what, directory, step, process."""
        lines = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        return [fields for fields in map(str.split, lines) if fields[0] == what]

    def logs(self) -> str:
        """The ends of all logs, for whoever has to find out why a test failed."""
        files = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{file}:\n{file.read_text(errors='replace')[-6000:]}" for file in files)

    def until(
        self, condition: Callable[[], bool], what: str, seconds: float = _START_SECONDS
    ) -> None:
        """Wait for something."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not in {seconds:g} s: {what}\n{self.logs()}"
            time.sleep(_LOOK_SECONDS)

    def _start(
        self, part: str, module: str, more: Mapping[str, str], *arguments: str
    ) -> "subprocess.Popen[bytes]":
        environment = {name: v for name, v in os.environ.items() if not name.startswith("DIOPTRA")}
        store = self.s3.variables() | {"DIOPTRA_S3_ENDPOINT": self.store_link.address}
        with (self.folder / f"{part}.log").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env={**environment, **store, MARKER: self._marker, **more},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
            )


def _nobody() -> "subprocess.Popen[bytes]":
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
