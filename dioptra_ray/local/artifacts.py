"""Artifacts of a local run: files that come in, and the tasks that read and write them."""

import ast
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dioptra_ray.engine import failing_as_artifact, load_artifact_task, read_artifact
from dioptra_ray.engine.errors import ArtifactTaskNotFoundError
from dioptra_ray.engine.program import read_outputs
from dioptra_ray.local.result import copy


@dataclass(frozen=True, slots=True)
class Artifact:
    """A value for an artifact parameter.

    Attributes:
        path: The file or directory.
        task: What reads it: "plugin.module.Class".
        plugins_dir: Where that plugin is, when it is not among the plugins of the run.
    """

    path: str | Path
    task: str
    plugins_dir: str | Path | None = None


def read_given(
    description: Mapping[str, Any], name: str, artifact: Artifact, working_dir: Path
) -> dict[str, Any]:
    """Read an artifact, from a copy that its task may spoil; return its outputs by name.

    Raises:
        ArtifactFailedError: It cannot be read.
    """
    folder = working_dir / ".dioptra" / "artifacts" / name
    with failing_as_artifact(name, "read", step=f"artifacts.{name}"):
        shutil.rmtree(folder, ignore_errors=True)
        copied = copy(Path(artifact.path), folder)
    single, several = read_outputs(description["artifact_inputs"][name])
    return read_artifact(
        artifact.task,
        working_dir=folder,
        path=copied.name,
        output_names=several if single is None else (single,),
        name=name,
    )


def used_tasks(description: Mapping[str, Any]) -> dict[str, str]:
    """An artifact output by the artifact task that it names; the description may be invalid."""
    outputs = description.get("artifact_outputs")
    used: dict[str, str] = {}
    for name, output in outputs.items() if isinstance(outputs, Mapping) else ():
        task = output.get("task") if isinstance(output, Mapping) else None
        called = task.get("name") if isinstance(task, Mapping) else None
        if isinstance(called, str):
            used.setdefault(called, str(name))
    return used


def find_tasks(
    names: Mapping[str, str], plugins_dir: Path, active: AbstractContextManager[None]
) -> dict[str, str]:
    """Find artifact tasks by class name.

    Only modules that define a class of such a name are imported.

    Args:
        names: The artifact output that needs it, by class name.
        plugins_dir: Where the plugins are.
        active: Activates them.

    Returns:
        "plugin.module.Class" by class name; names that no plugin has are left out.

    Raises:
        ArtifactFailedError: A module cannot be imported.
    """
    found: dict[str, str] = {}
    with active:
        for module, name in _defined_classes(plugins_dir, set(names)):
            task_class_id = f"{module}.{name}"
            with failing_as_artifact(names[name], "written"):
                try:
                    load_artifact_task(task_class_id)
                except ArtifactTaskNotFoundError:
                    continue
            found.setdefault(name, task_class_id)
    return found


def _defined_classes(plugins_dir: Path, names: set[str]) -> Iterator[tuple[str, str]]:
    for file in sorted(plugins_dir.rglob("*.py")) if names else ():
        parts = file.relative_to(plugins_dir).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if not parts or not all(part.isidentifier() for part in parts):
            continue
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):
            continue  # whatever needs this file fails when it is imported
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name in names:
                yield ".".join(parts), node.name
