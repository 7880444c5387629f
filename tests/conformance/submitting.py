"""Recorded runs as jobs of a real deployment.

A deployment shows neither what steps return nor the files of their working directory. So
each job gets artifact outputs for them, which a plugin of ours writes after all others.
"""

import copy
import inspect
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dioptra_ray import Client
from dioptra_ray.client.job import Job
from dioptra_ray.errors import DioptraError
from tests.conformance import encoding
from tests.conformance.run_cases import PLUGINS, Case, lay_out_artifact

_PLUGINS = ("arith", "arith_artifacts", "recorder")
_FILES = "recorded_files"
_TASKS = '''
import json

from dioptra.sdk.api.artifact import ArtifactTaskInterface

from .encoding import encode


def write(working_dir, name, value):
    folder = working_dir / ".dioptra" / "recorded"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(value))
    return folder / f"{name}.json"


class Value(ArtifactTaskInterface):
    """Keeps a value as the cases write it."""

    @staticmethod
    def serialize(working_dir, name, contents, **kwargs):
        return write(working_dir, name, encode(contents))

    @staticmethod
    def deserialize(working_dir, path, **kwargs):
        return None

    @staticmethod
    def validation():
        return None


class Files(Value):
    """Keeps the names of the files in the working directory."""

    @staticmethod
    def serialize(working_dir, name, contents, **kwargs):
        paths = (p.relative_to(working_dir) for p in working_dir.rglob("*") if p.is_file())
        return write(working_dir, name, sorted(map(str, paths)))
'''


@dataclass(frozen=True)
class Submitted:
    """A case on its way.

    Attributes:
        job: Its job, if it was taken.
        refusal: Why it was not.
        recorded: Step and output by name of the artifact with its value.
    """

    job: Job | None
    refusal: DioptraError | None
    recorded: dict[str, tuple[str, str]]


def register_plugins(client: Client) -> None:
    client.plugins.put(PLUGINS / "arith")
    client.plugins.put(PLUGINS / "arith_artifacts")
    sources = {"tasks.py": _TASKS, "encoding.py": inspect.getsource(encoding)}
    client.plugins.put({file: text.encode() for file, text in sources.items()}, name="recorder")


def submit(client: Client, case: Case, expected: dict[str, Any], folder: Path) -> Submitted:
    """Register a case's entrypoint with what records its steps, and submit its job."""
    description: dict[str, Any] = copy.deepcopy(case["desc"])
    outputs = [(step, output) for step, values in expected["steps"].items() for output in values]
    recorded = {} if "error" in expected else {f"recorded_{n}": o for n, o in enumerate(outputs)}
    if "error" not in expected:
        made = description["artifact_outputs"] = dict(description.get("artifact_outputs") or {})
        for name, (step, output) in recorded.items():
            made[name] = {"contents": f"${step}.{output}", "task": {"name": "Value"}}
        made[_FILES] = {"contents": ".", "task": {"name": "Files"}}
    source = yaml.safe_dump(description, sort_keys=False)
    try:
        client.entrypoints.put(case["id"], source, plugins=_PLUGINS)
        given = _upload(client, case, folder)
        job = client.jobs.submit(case["id"], case["parameters"], given)
    except DioptraError as error:
        return Submitted(None, error, recorded)
    return Submitted(job, None, recorded)


def read_steps(client: Client, submitted: Submitted, folder: Path) -> dict[str, dict[str, Any]]:
    """What the steps of a finished job have returned, as the cases write it."""
    steps: dict[str, dict[str, Any]] = {}
    for name, (step, output) in submitted.recorded.items():
        steps.setdefault(step, {})[output] = _read(client, submitted, name, folder)
    return steps


def read_files(client: Client, submitted: Submitted, folder: Path) -> list[str]:
    """The files that a finished job has left in its working directory."""
    files: list[str] = _read(client, submitted, _FILES, folder)
    return [file for file in files if not file.startswith(".dioptra/")]


def is_recorded(name: str) -> bool:
    """Whether an artifact is one of ours."""
    return name.startswith("recorded_")


def _read(client: Client, submitted: Submitted, name: str, folder: Path) -> Any:
    assert submitted.job is not None
    path = client.artifacts.download(submitted.job.artifacts[name], folder)
    return json.loads(path.read_text())


def _upload(client: Client, case: Case, folder: Path) -> dict[str, int]:
    """Store the artifacts that are given to the case's job.

    Each with a plugin of its own, since cases differ in what a task is said to return.
    """
    ids = {}
    for name, artifact in case.get("artifact_params", {}).items():
        plugin = f"reader_{case['id']}_{name}"
        declared = case["desc"]["artifact_inputs"][name]
        entries = [declared] if isinstance(declared, dict) else declared
        types = [kind for entry in entries for kind in entry.values()]
        outputs = dict(zip(artifact["outputs"], types, strict=True))
        _import_reader(client, plugin, artifact["task"], outputs, folder / plugin)
        path = lay_out_artifact(artifact, folder / name)
        ids[name] = client.artifacts.upload(path, task=f"{plugin}.tasks.{artifact['task']}").id
    return ids


def _import_reader(
    client: Client, plugin: str, task: str, outputs: dict[str, str], folder: Path
) -> None:
    shutil.copytree(PLUGINS / "arith_artifacts", folder / plugin)
    listed = ", ".join(f'{{name = "{name}", type = "{kind}"}}' for name, kind in outputs.items())
    folder.joinpath("dioptra.toml").write_text(
        f"""
        [[plugins]]
        path = "{plugin}"
        [[plugins.tasks.artifacts]]
        filename = "tasks.py"
        name = "{task}"
        output_params = [{listed}]
        """
    )
    client.import_project(folder)
