"""Where an embedded deployment keeps what it keeps, and how others find it.

This module is all that a client needs of the embedded mode: it starts nothing.
"""

import json
import os
from dataclasses import asdict, dataclass
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
    """

    marker: str
    store_url: str
    address: str = ""
    version: str = ""
    processes: dict[str, Process]
    ready: bool = False

    @property
    def is_up(self) -> bool:
        """Whether it was ready once and all of its processes still are what they were."""
        return self.ready and bool(self.processes) and all(map(is_alive, self.processes.values()))


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
        partial = self.deployment.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(deployment), indent=2) + "\n", encoding="utf-8")
        partial.replace(self.deployment)


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
    if deployment is None or not deployment.is_up:
        raise UnavailableError(
            f"no embedded deployment is up in {state.root}; start one with `dioptra-ray up`, or "
            "give the address of a controller",
            state_dir=str(state.root),
        )
    token = state.token.read_text(encoding="utf-8").strip() if state.token.is_file() else None
    return Endpoint(address=deployment.address, token=token)
