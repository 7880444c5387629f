"""Plugins and parameter types as the client knows them, and how to read them."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dioptra_ray.api.controller.v1 import (
    parameter_type_service_pb2,
    plugin_pb2,
    plugin_service_pb2,
)
from dioptra_ray.wire.times import find_time


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedName:
    """An input or output with its parameter type."""

    name: str
    type: str
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A function task or an artifact task of a plugin; the latter has no inputs."""

    id: str
    name: str
    file: str
    line: int
    inputs: tuple[TypedName, ...]
    outputs: tuple[TypedName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A plugin snapshot; `files` are (path, size)."""

    name: str
    description: str
    snapshot: int
    digest: str
    files: tuple[tuple[str, int], ...]
    function_tasks: tuple[Task, ...]
    artifact_tasks: tuple[Task, ...]
    created: datetime | None
    tags: tuple[str, ...] = ()
    deleted: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredTask:
    """A task and the snapshot that it is of; `kind` is "function" or "artifact"."""

    plugin: str
    snapshot: int
    kind: str
    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterType:
    """A named type; the structure of a simple type is None, a built-in has snapshot 0."""

    name: str
    description: str
    structure: Any
    snapshot: int
    created: datetime | None
    tags: tuple[str, ...] = ()
    deleted: datetime | None = None


def read_typed_name(message: plugin_pb2.TypedName) -> TypedName:
    """Read a name with its type."""
    return TypedName(name=message.name, type=message.type, required=message.required)


def read_plugin(message: plugin_pb2.Plugin) -> Plugin:
    """Read a plugin snapshot."""
    return Plugin(
        name=message.name,
        description=message.description,
        snapshot=message.snapshot,
        digest=message.digest,
        files=tuple((file.path, file.size) for file in message.files),
        function_tasks=tuple(map(_read_function_task, message.function_tasks)),
        artifact_tasks=tuple(map(_read_artifact_task, message.artifact_tasks)),
        created=find_time(message, "create_time"),
        tags=tuple(message.tags),
        deleted=find_time(message, "delete_time"),
    )


def read_parameter_type(message: parameter_type_service_pb2.ParameterType) -> ParameterType:
    """Read a parameter type."""
    return ParameterType(
        name=message.name,
        description=message.description,
        structure=json.loads(message.structure_json or "null"),
        snapshot=message.snapshot,
        created=find_time(message, "create_time"),
        tags=tuple(message.tags),
        deleted=find_time(message, "delete_time"),
    )


def read_registered_task(message: plugin_service_pb2.Task) -> RegisteredTask:
    """Read a task with the snapshot that it is of."""
    is_function = message.WhichOneof("task") == "function"
    return RegisteredTask(
        plugin=message.plugin,
        snapshot=message.snapshot,
        kind="function" if is_function else "artifact",
        task=_read_function_task(message.function)
        if is_function
        else _read_artifact_task(message.artifact),
    )


def _read_function_task(message: plugin_pb2.FunctionTask) -> Task:
    return Task(
        id=message.id,
        name=message.name,
        file=message.file,
        line=message.line,
        inputs=tuple(map(read_typed_name, message.inputs)),
        outputs=tuple(map(read_typed_name, message.outputs)),
    )


def _read_artifact_task(message: plugin_pb2.ArtifactTask) -> Task:
    return Task(
        id=message.id,
        name=message.name,
        file=message.file,
        line=message.line,
        inputs=(),
        outputs=tuple(map(read_typed_name, message.outputs)),
    )
