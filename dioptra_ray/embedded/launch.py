"""One start of the embedded deployment: its processes, and the wait until they serve."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from dioptra_ray.embedded.probe import has_runner, is_serving
from dioptra_ray.embedded.processes import MARKER_VARIABLE, Process, identify
from dioptra_ray.embedded.state import Deployment, StateDirectory
from dioptra_ray.errors import PreconditionError

POLL_SECONDS: Final = 0.1
TAIL_LINES: Final = 20
MAX_LOG_BYTES: Final = 16 * 1024 * 1024
DEFAULT_QUEUES: Final = ("*",)
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be chosen at a start.

    Attributes:
        store_url: Where artifacts are kept; empty for where they were, at first the state
            directory.
        port: Port of the controller on the loopback interface; 0 for the last one if it is
            free, and else any.
        queues: Queues that the runner serves; all, also later ones, when empty.
        slots: How many jobs run at once; 0 for the runner's own choice.
        force_new_store: Whether to take another store though plugins and artifacts lie in the
            one before.
        controller: How to start the controller.
        runner: How to start the runner.
    """

    store_url: str = ""
    port: int = 0
    queues: tuple[str, ...] = ()
    slots: int = 0
    force_new_store: bool = False
    controller: tuple[str, ...] = (sys.executable, "-P", "-m", "dioptra_controller")
    runner: tuple[str, ...] = (sys.executable, "-P", "-m", "dioptra_workers")


@dataclass(slots=True, kw_only=True)
class Launch:
    """A start under way; `deployment` is always what has been started so far."""

    state: StateDirectory
    options: Options
    deployment: Deployment
    progress: Callable[[str], None]
    _started: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    _log_starts: dict[str, int] = field(default_factory=dict)

    def run(self, timeout: float) -> Deployment:
        """Start everything and wait until it is ready.

        Raises:
            PreconditionError: A part ended, or is not ready in time.
        """
        deadline = time.monotonic() + timeout
        # Ray makes Unix sockets below it, whose paths may have 107 characters at most; it is
        # made here so that its end does not depend on the runner's.
        temporary = tempfile.mkdtemp(prefix="dioptra-ray-", dir="/tmp")
        self._keep(replace(self.deployment, temporary=temporary))
        self.progress("starting the controller")
        self._start("controller", self.options.controller, self._controller_environment())
        self._wait("controller", self._listens, deadline)
        self.progress("starting the runner and Ray")
        self._start("runner", self.options.runner, self._runner_environment())
        self._wait("runner", self._is_ready, deadline)
        self._keep(replace(self.deployment, ready=True))
        return self.deployment

    def release(self) -> None:
        """Let go of the processes: reap those that have ended, leave the others alone."""
        for process in self._started.values():
            if process.poll() is None:
                process.returncode = 0  # Popen warns of children that outlive it: these shall

    def _start(self, part: str, command: tuple[str, ...], environment: Mapping[str, str]) -> None:
        log = self.state.log(part)
        if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            self._log_starts[part] = output.tell()
            try:
                process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self.state.root,
                    env={**os.environ, **environment, MARKER_VARIABLE: self.deployment.marker},
                    start_new_session=True,
                )
            except OSError as error:
                raise PreconditionError(f"the {part} cannot be started: {error}") from error
        self._started[part] = process
        identity = identify(process.pid) or Process(pid=process.pid, started="")
        # Written before anything else can go wrong: whoever comes next must find it.
        processes = {**self.deployment.processes, part: identity}
        self._keep(replace(self.deployment, processes=processes))

    def _controller_environment(self) -> dict[str, str]:
        return {
            "DIOPTRA_LISTEN": f"{LOOPBACK}:{self._port()}",
            "DIOPTRA_DATABASE_URL": f"sqlite:///{self.state.database}",
            "DIOPTRA_STORE_URL": self.deployment.store_url,
            "DIOPTRA_FORCE_NEW_STORE": str(self.options.force_new_store).lower(),
            # Whatever ran before was ended before this start.
            "DIOPTRA_FORGET_RUNNERS": "true",
            "DIOPTRA_TOKEN_FILE": str(self.state.token),
            "DIOPTRA_ADDRESS_FILE": str(self.state.address),
        }

    def _runner_environment(self) -> dict[str, str]:
        environment = {
            "DIOPTRA_RUNNER_CONTROLLER": self.deployment.address,
            "DIOPTRA_RUNNER_RAY_ADDRESS": "local",
            "DIOPTRA_RUNNER_TEMPORARY_DIR": self.deployment.temporary,
            "DIOPTRA_RUNNER_QUEUES": ",".join(self.options.queues or DEFAULT_QUEUES),
            "DIOPTRA_RUNNER_NAME": "embedded",
            "DIOPTRA_RUNNER_SCRATCH_DIR": str(self.state.scratch),
            "DIOPTRA_STORE_URL": self.deployment.store_url,
            "DIOPTRA_TOKEN_FILE": str(self.state.token),
        }
        if self.options.slots:
            environment["DIOPTRA_RUNNER_SLOTS"] = str(self.options.slots)
        return environment

    def _port(self) -> int:
        if self.options.port:
            return self.options.port
        last = self.state.recall().port
        return last if last and _is_free(last) else 0

    def _listens(self) -> bool:
        if not self.deployment.address:
            try:
                address = self.state.address.read_text(encoding="utf-8").strip()
            except OSError:
                return False
            if not address:
                return False
            self._keep(replace(self.deployment, address=address))
        return is_serving(self.deployment.address)

    def _is_ready(self) -> bool:
        token = self.state.token.read_text(encoding="utf-8").strip()
        return has_runner(self.deployment.address, token)

    def _wait(self, part: str, is_ready: Callable[[], bool], deadline: float) -> None:
        while not is_ready():
            for name, process in self._started.items():
                code = process.poll()
                if code is not None:
                    raise self._failure(name, f"the {name} ended with {code}")
            if time.monotonic() > deadline:
                raise self._failure(part, f"the {part} is not ready in time")
            time.sleep(POLL_SECONDS)

    def _failure(self, part: str, what: str) -> PreconditionError:
        log = self.state.log(part)
        with log.open("rb") as content:
            content.seek(self._log_starts[part])
            said = content.read().decode("utf-8", "replace").splitlines()
        if said and said[-1].startswith(f"dioptra-{part}: "):
            return PreconditionError(f"{what}: {said[-1].partition(': ')[2]}", part=part)
        tail = "\n".join(f"  {line}" for line in said[-TAIL_LINES:]) or "  (nothing)"
        return PreconditionError(f"{what}; it said last, in {log}:\n{tail}", part=part)

    def _keep(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.state.write(deployment)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: what is left of ended connections is in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
