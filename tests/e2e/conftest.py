"""One embedded deployment for the whole rung, driven by the real CLI in subprocesses."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parent / "plugins"
COMMAND = str(Path(sys.executable).with_name("dioptra-ray"))


@dataclass(frozen=True)
class Cli:
    """Runs dioptra-ray commands against one state directory."""

    state: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "DIOPTRA_STATE_DIR": str(self.state), "COLUMNS": "160"}

    def run(self, *arguments: object, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *map(str, arguments)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def ok(self, *arguments: object, timeout: float = 120) -> str:
        done = self.run(*arguments, timeout=timeout)
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: object) -> object:
        return json.loads(self.ok(*arguments, "--format", "json"))

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [COMMAND, *map(str, arguments)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture(scope="session")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    runner = Cli(tmp_path_factory.mktemp("state"))
    runner.ok("up")
    yield runner
    runner.ok("down")


@pytest.fixture
def describe(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a self-contained description over the probe plugin's tasks."""

    def write(name: str, graph: str) -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_text(TASKS + graph)
        return path

    return write


TASKS = """
tasks:
  ident: {plugin: probe.tasks.ident, inputs: [{x: any}], outputs: {value: any}}
  pid: {plugin: probe.tasks.pid, inputs: [{a: any}], outputs: {value: any}}
  meet:
    plugin: probe.tasks.meet
    inputs: [{folder: any}, {me: any}, {other: any}]
    outputs: {pid: any}
  touch: {plugin: probe.tasks.touch, inputs: [{folder: any}, {what: any}], outputs: {what: any}}
  wait_for: {plugin: probe.tasks.wait_for, inputs: [{path: any}], outputs: {path: any}}
  environ: {plugin: probe.tasks.environ, inputs: [{variable: any}], outputs: {value: any}}
  sleep: {plugin: probe.tasks.sleep, inputs: [{seconds: any}], outputs: {seconds: any}}
  look_for: {plugin: probe.tasks.look_for, inputs: [{words: any}], outputs: {found: any}}
  spin: {plugin: probe.tasks.spin, inputs: [{folder: any}], outputs: {n: any}}
  fail: {plugin: probe.tasks.fail, inputs: [{message: any}]}
  leave: {plugin: probe.tasks.leave, inputs: [{code: any}]}
  die: {plugin: probe.tasks.die, inputs: [{code: any}]}
  remember: {plugin: probe.tasks.remember, inputs: [{x: any}], outputs: {shared: any}}
  same: {plugin: probe.tasks.same, inputs: [{shared: any}], outputs: {found: any}}
  speak: {plugin: probe.tasks.speak, inputs: [{loss: any}], outputs: {text: any}}
"""
