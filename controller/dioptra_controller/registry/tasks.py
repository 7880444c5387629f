"""Tasks of a plugin snapshot as JSON, and back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dioptra_ray.planning.declarations import read_declaration
from dioptra_ray.project.model import ArtifactTask, FunctionTask, TaskInput, TaskOutput

# Places are of the project folder that was imported, which is not kept.
_LEFT_OUT = frozenset({"place", "declaration"})


def write_function(task: FunctionTask) -> dict[str, Any]:
    """Write a function task."""
    plain = {key: value for key, value in asdict(task).items() if key not in _LEFT_OUT}
    return {**plain, "declaration": task.declaration.to_mapping()}


def read_function(data: Mapping[str, Any]) -> FunctionTask:
    """Read a function task."""
    return FunctionTask(
        id=data["id"],
        name=data["name"],
        file=data["file"],
        line=data["line"],
        inputs=tuple(TaskInput(**item) for item in data["inputs"]),
        outputs=tuple(TaskOutput(**item) for item in data["outputs"]),
        declaration=read_declaration(data["declaration"]),
        types=data["types"],
    )


def write_artifact(task: ArtifactTask) -> dict[str, Any]:
    """Write an artifact task."""
    return {key: value for key, value in asdict(task).items() if key not in _LEFT_OUT}


def read_artifact(data: Mapping[str, Any]) -> ArtifactTask:
    """Read an artifact task."""
    return ArtifactTask(
        id=data["id"],
        name=data["name"],
        file=data["file"],
        line=data["line"],
        outputs=tuple(TaskOutput(**item) for item in data["outputs"]),
        argument_schema=data["argument_schema"],
        types=data["types"],
    )
