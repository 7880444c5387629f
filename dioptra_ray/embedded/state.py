"""Where an embedded deployment keeps what it keeps, and how others find it.

This module is all that a client needs of the embedded mode: it starts nothing.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from dioptra_ray.embedded.processes import Process, is_alive
from dioptra_ray.errors import UnavailableError

STATE_VARIABLE: Final = "DIOPTRA_STATE_DIR"
DEFAULT_NAME: Final = ".dioptra-ray"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """An embedded deployment as its state directory describes it.

    Attributes:
        marker: Found in the environment of each of its processes, and of theirs.
        store_url: Where artifacts are kept.
        address: Where the controller listens; empty until it does.
        version: Version of dioptra-ray that started it.
        processes: Its processes by part, "controller" and "runner"; empty when stopped.
        ready: Whether `up` has seen it ready.
        options: What the controller and the runner were told, by option of `up`.
        temporary: Directory of its Ray; empty when there is none.
    """

    marker: str
    store_url: str
    address: str = ""
    version: str = ""
    processes: dict[str, Process]
    ready: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    temporary: str = ""

    @property
    def dead(self) -> list[str]:
        """Which of its parts have died, though nobody stopped it."""
        return [name for name, process in self.processes.items() if not is_alive(process)]

    @property
    def is_up(self) -> bool:
        """Whether it was ready once and all of its processes still are what they were."""
        return self.ready and bool(self.processes) and all(map(is_alive, self.processes.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the last `up` that succeeded has chosen, for the next one.

    Attributes:
        store_url: Where artifacts are kept; empty when there was no `up` before.
        port: On which the controller listened; 0 for none.
    """

    store_url: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a deployment listens, and the token that it wants."""

    address: str
    token: str | None


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """The paths below one state directory."""

    root: Path

    @property
    def deployment(self) -> Path:
        """What runs, as JSON."""
        return self.root / "deployment.json"

    @property
    def memory(self) -> Path:
        """What the next `up` does as the last one, as JSON."""
        return self.root / "remembered.json"

    @property
    def token(self) -> Path:
        """The bearer token, readable by its owner alone."""
        return self.root / "token"

    @property
    def database(self) -> Path:
        """The controller's database."""
        return self.root / "controller.db"

    @property
    def artifacts(self) -> Path:
        """The artifact store, unless another is chosen."""
        return self.root / "artifacts"

    @property
    def scratch(self) -> Path:
        """Working directories of jobs."""
        return self.root / "scratch"

    @property
    def address(self) -> Path:
        """Where the controller says on which address it listens."""
        return self.root / "controller.address"

    @property
    def lock(self) -> Path:
        """Held by an `up` or `down` at work."""
        return self.root / "lock"

    def log(self, part: str) -> Path:
        """What a part has said."""
        return self.root / "logs" / f"{part}.log"

    def read(self) -> Deployment | None:
        """Read what was written last; None when there is nothing that can be read."""
        try:
            data: dict[str, Any] = json.loads(self.deployment.read_text(encoding="utf-8"))
            processes = {name: Process(**item) for name, item in data.pop("processes").items()}
            return Deployment(processes=processes, **data)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def write(self, deployment: Deployment) -> None:
        """Write what runs; a reader sees the old or the new, nothing between."""
        _replace(self.deployment, asdict(deployment))

    def recall(self) -> Memory:
        """Read what the last `up` that succeeded has chosen."""
        try:
            return Memory(**json.loads(self.memory.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            before = self.read()  # of a version that did not write it
            return Memory(store_url=before.store_url if before else "")

    def remember(self, memory: Memory) -> None:
        """Write it for the next `up`."""
        _replace(self.memory, asdict(memory))


def _replace(path: Path, content: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def state_directory(path: str | Path | None = None) -> StateDirectory:
    """The state directory: the given one, or $DIOPTRA_STATE_DIR, or ~/.dioptra-ray."""
    chosen = path or os.environ.get(STATE_VARIABLE) or Path.home() / DEFAULT_NAME
    return StateDirectory(Path(chosen).expanduser().absolute())


def find_deployment(state_dir: str | Path | None = None) -> Endpoint:
    """Find the embedded deployment.

    Raises:
        UnavailableError: None is up.
    """
    state = state_directory(state_dir)
    deployment = state.read()
    if deployment is not None and deployment.ready and deployment.dead:
        raise UnavailableError(say_dead(state, deployment), state_dir=str(state.root))
    if deployment is None or not deployment.is_up:
        raise UnavailableError(
            f"no embedded deployment is up in {state.root}; start one with `dioptra-ray up`, or "
            "give the address of a controller",
            state_dir=str(state.root),
        )
    token = state.token.read_text(encoding="utf-8").strip() if state.token.is_file() else None
    return Endpoint(address=deployment.address, token=token)


def say_dead(state: StateDirectory, deployment: Deployment) -> str:
    """Say which parts of a deployment have died, and what to do."""
    dead = deployment.dead
    subject = f"the {' and the '.join(dead)} of the embedded deployment in {state.root}"
    logs = " and ".join(str(state.log(name)) for name in dead)
    them = "it" if len(dead) == 1 else "them"
    return (
        f"{subject} {'has' if len(dead) == 1 else 'have'} died; the reason may be in {logs}. "
        f"`dioptra-ray up` starts {them} again: nothing that was submitted is lost"
    )
