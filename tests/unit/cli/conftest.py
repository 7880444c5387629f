"""The command line in this process, and a controller for it to talk to."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner

from dioptra_ray.cli.main import cli
from tests.unit.client.fake_controller import Controller


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("DIOPTRA_CONTROLLER", "DIOPTRA_TOKEN_FILE", "DIOPTRA_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)

    def run(*args: Any, **env: str) -> Ran:
        result = CliRunner().invoke(cli, [str(one) for one in args], env=env)
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def controller() -> Iterator[Controller]:
    controller = Controller()
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture
def remote(run: Run, controller: Controller) -> Run:
    """Runs commands against the controller."""

    def remote(*args: Any) -> Ran:
        return run(*args, DIOPTRA_CONTROLLER=controller.address)

    return remote
