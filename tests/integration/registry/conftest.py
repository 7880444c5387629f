"""The client and the command line against a real controller."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dioptra_controller.bootstrap import Controller
from dioptra_ray.cli.main import cli
from dioptra_ray.client import Client
from tests.integration.registry.serving import serve

TASKS = """\
from dioptra import pyplugs

@pyplugs.register
def scale(x: float, factor: float = 2.0) -> float:
    return x * factor
"""
WRITER = """\
from dioptra.sdk.api.artifact import ArtifactTaskInterface

class Text(ArtifactTaskInterface):
    @staticmethod
    def serialize(working_dir, name, contents, **kwargs):
        return working_dir / name

    @staticmethod
    def deserialize(working_dir, path, **kwargs) -> str:
        return ""

    @staticmethod
    def validation():
        return {}
"""
CONFIG = """\
[[plugins]]
path = "plugins/maths"
description = "Numbers"

[[plugin_param_types]]
name = "Pairs"
structure = { list = { tuple = ["string", "integer"] } }

[[entrypoints]]
path = "scale.yaml"
name = "scale"
plugins = ["maths"]
artifact_plugins = ["maths"]

[[entrypoints.params]]
name = "x"
type = "float"
default_value = "1.5"

[[entrypoints.params]]
name = "names"
type = "list"
default_value = "[]"
"""
GRAPH = """\
graph:
  scaled:
    scale: {x: $x}
artifacts:
  result:
    contents: $scaled
    task: {name: Text}
"""
DESCRIPTION = """\
parameters: {x: 1.5}
tasks:
  scale:
    plugin: maths.tasks.scale
    inputs: [{x: number}, {name: factor, type: number, required: false}]
    outputs: {output: number}
graph:
  scaled:
    scale: [$x]
"""


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
def controller(tmp_path: Path) -> Iterator[Controller]:
    with serve(tmp_path) as controller:
        yield controller


@pytest.fixture
def client(controller: Controller) -> Iterator[Client]:
    with Client(controller.address) as client:
        yield client


@pytest.fixture
def run(controller: Controller) -> Run:
    """Runs commands; `fails` is the exit code that a command must end with."""

    def run(*args: Any, fails: int = 0) -> Ran:
        env = {"DIOPTRA_CONTROLLER": controller.address}
        result = CliRunner().invoke(cli, [str(one) for one in args], env=env)
        assert result.exit_code == fails, (args, result.stdout, result.stderr)
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder with one plugin, one type and one entrypoint."""
    folder = tmp_path / "project"
    plugin = folder / "plugins" / "maths"
    plugin.mkdir(parents=True)
    (plugin / "tasks.py").write_text(TASKS)
    (plugin / "writers.py").write_text(WRITER)
    (folder / "dioptra.toml").write_text(CONFIG)
    (folder / "scale.yaml").write_text(GRAPH)
    return folder


@pytest.fixture
def description(tmp_path: Path) -> Path:
    """A self-contained description over the plugin `maths`."""
    file = tmp_path / "scale.yaml"
    file.write_text(DESCRIPTION)
    return file
