"""Starting and stopping the embedded deployment.

`up` returns only once the deployment answers and a runner serves it; when it cannot be
started, nothing of it is left running. State stays on disk: `down`, then `up`, loses nothing.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from dioptra_ray.embedded.launch import DEFAULT_QUEUES, Launch, Options
from dioptra_ray.embedded.processes import Process, is_alive, terminate
from dioptra_ray.embedded.state import Deployment, Memory, StateDirectory, state_directory
from dioptra_ray.errors import PreconditionError

GRACE_SECONDS: Final = 15.0
START_SECONDS: Final = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is known of an embedded deployment without asking it.

    Attributes:
        state_dir: Its state directory.
        is_up: Whether it was ready once and all of its processes still run.
        address: Where the controller listens; empty when it is not up.
        store_url: Where artifacts are kept; empty when it never was up.
        pids: Process ids of the parts that run.
        was_up: Whether there was an `up` before.
    """

    state_dir: Path
    is_up: bool
    address: str
    store_url: str
    pids: dict[str, int]
    was_up: bool


def up(
    state_dir: str | Path | None = None,
    *,
    options: Options | None = None,
    timeout: float = START_SECONDS,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Deployment, bool]:
    """Start the embedded deployment, unless it is up, and wait until it is ready.

    Args:
        state_dir: The state directory, if not the usual one.
        options: What differs from the defaults, or from the last time.
        timeout: Seconds within which it has to be ready.
        progress: Told what is being done.

    Returns:
        The deployment, and whether this call has started it.

    Raises:
        PreconditionError: It could not be started; the message ends with what the part
            that failed has said last.
    """
    state = state_directory(state_dir)
    chosen = options or Options()
    state.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(state, progress):
        before = state.read()
        if before is not None and before.is_up:
            _check_same(before, chosen)
            return before, False
        if before is not None:
            _end(before)
        _prepare(state)
        memory = state.recall()
        deployment = Deployment(
            marker=secrets.token_hex(16),
            store_url=chosen.store_url or memory.store_url or state.artifacts.as_uri(),
            version=_version(),
            processes={},
            options={"queues": list(chosen.queues or DEFAULT_QUEUES), "slots": chosen.slots},
        )
        launch = Launch(state=state, options=chosen, deployment=deployment, progress=progress)
        try:
            started = launch.run(timeout)
        except BaseException:
            _end(launch.deployment)
            # What failed is not what the next `up` should try again.
            _write_stopped(state, replace(launch.deployment, store_url=memory.store_url))
            raise
        else:
            state.remember(Memory(store_url=started.store_url, port=_port(started)))
            return started, True
        finally:
            launch.release()


def down(
    state_dir: str | Path | None = None, *, progress: Callable[[str], None] = lambda _: None
) -> bool:
    """Stop the embedded deployment and all that it has started; its state stays.

    Returns:
        Whether something was running.
    """
    state = state_directory(state_dir)
    if not state.deployment.exists():
        return False
    with _locked(state, progress):
        deployment = state.read()
        if deployment is None:
            return False
        was_running = any(map(is_alive, deployment.processes.values()))
        _end(deployment)
        _write_stopped(state, deployment)
        return was_running


def status(state_dir: str | Path | None = None) -> Status:
    """Say what is known of the embedded deployment; ask its controller for more."""
    state = state_directory(state_dir)
    deployment = state.read()
    if deployment is None:
        return Status(
            state_dir=state.root, is_up=False, address="", store_url="", pids={}, was_up=False
        )
    alive = {name: one.pid for name, one in deployment.processes.items() if is_alive(one)}
    return Status(
        state_dir=state.root,
        is_up=deployment.is_up,
        address=deployment.address if deployment.is_up else "",
        store_url=deployment.store_url,
        pids=alive,
        was_up=True,
    )


@contextmanager
def _locked(state: StateDirectory, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the state directory; the system lets go of it when the process dies."""
    with state.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another `up` or `down` to finish")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _prepare(state: StateDirectory) -> None:
    state.scratch.mkdir(exist_ok=True)
    state.log("").parent.mkdir(exist_ok=True)
    state.address.unlink(missing_ok=True)
    _make_token(state)


def _make_token(state: StateDirectory) -> None:
    if state.token.exists():
        state.token.chmod(0o600)
        return
    handle = os.open(state.token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as output:
        output.write(secrets.token_urlsafe(32) + "\n")


def _check_same(running: Deployment, options: Options) -> None:
    now: dict[str, object] = {
        "--store-url": running.store_url,
        "--port": _port(running),
        "--queue": running.options.get("queues"),
        "--slots": running.options.get("slots"),
    }
    wanted: dict[str, object] = {
        "--store-url": options.store_url,
        "--port": options.port,
        "--queue": list(options.queues),
        "--slots": options.slots,
    }
    differing = [
        f"{name} is {_say(now[name])}, not {_say(value)}"
        for name, value in wanted.items()
        if value and value != now[name]
    ]
    if differing:
        raise PreconditionError(
            f"the deployment is up at {running.address} already, with other options, and stays "
            f"as it is: {'; '.join(differing)}. To change that, run `dioptra-ray down`, and then "
            "this `up` again"
        )


def _say(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value or "the runner's own choice")


def _port(deployment: Deployment) -> int:
    port = deployment.address.rpartition(":")[2]
    return int(port) if port.isdecimal() else 0


def _end(deployment: Deployment) -> None:
    """End all processes of a deployment, and remove what its Ray has left."""
    # Each before those that it reports to.
    parts: list[Process] = list(reversed(deployment.processes.values()))
    terminate(parts, marker=deployment.marker, grace=GRACE_SECONDS)
    if deployment.temporary:
        shutil.rmtree(deployment.temporary, ignore_errors=True)


def _write_stopped(state: StateDirectory, deployment: Deployment) -> None:
    state.write(replace(deployment, processes={}, address="", ready=False, temporary=""))


def _version() -> str:
    try:
        return version("dioptra-ray")
    except PackageNotFoundError:
        return ""
