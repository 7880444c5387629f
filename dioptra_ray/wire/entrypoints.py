"""Entrypoints as the client knows them, and how to read them from messages."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dioptra_ray.api.controller.v1 import entrypoint_pb2 as pb
from dioptra_ray.wire.plugins import TypedName, read_typed_name
from dioptra_ray.wire.times import find_time
from dioptra_ray.wire.values import read_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of an entrypoint; a job must give it when it is `required`."""

    name: str
    type: str
    default: Any
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginPin:
    """A plugin snapshot that an entrypoint pins."""

    name: str
    snapshot: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrypoint:
    """An entrypoint snapshot; `document` is the whole description as a mapping."""

    name: str
    description: str
    snapshot: int
    parameters: tuple[Parameter, ...]
    artifact_parameters: Mapping[str, tuple[TypedName, ...]]
    artifact_outputs: tuple[str, ...]
    steps: tuple[str, ...]
    plugins: tuple[PluginPin, ...]
    source: str
    source_file: str
    document: Mapping[str, Any]
    created: datetime | None


def read_entrypoint(message: pb.Entrypoint) -> Entrypoint:
    """Read an entrypoint snapshot."""
    return Entrypoint(
        name=message.name,
        description=message.description,
        snapshot=message.snapshot,
        parameters=tuple(map(_read_parameter, message.parameters)),
        artifact_parameters={
            parameter.name: tuple(map(read_typed_name, parameter.outputs))
            for parameter in message.artifact_parameters
        },
        artifact_outputs=tuple(message.artifact_outputs),
        steps=tuple(message.steps),
        plugins=tuple(
            PluginPin(name=pin.name, snapshot=pin.snapshot, digest=pin.digest)
            for pin in message.plugins
        ),
        source=message.source,
        source_file=message.source_file,
        document=json.loads(message.description_json or "{}"),
        created=find_time(message, "create_time"),
    )


def _read_parameter(message: pb.EntrypointParameter) -> Parameter:
    has_default = message.HasField("default_value")
    return Parameter(
        name=message.name,
        type=message.type,
        default=read_value(message.default_value) if has_default else None,
        required=not has_default,
    )
