"""Entrypoints as the client knows them, and how to read them from messages."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dioptra_ray.api.controller.v1 import entrypoint_pb2 as pb
from dioptra_ray.language.issues import Issue
from dioptra_ray.wire.issues import read_issue
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
    """A plugin snapshot that an entrypoint pins; `newest` is 0 when the plugin was deleted."""

    name: str
    snapshot: int
    digest: str
    newest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrypoint:
    """An entrypoint snapshot.

    `document` is the whole description as a mapping; `swaps` has the aliases of each swap.
    """

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
    tags: tuple[str, ...] = ()
    deleted: datetime | None = None
    swaps: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def outdated(self) -> tuple[PluginPin, ...]:
        """The pins of plugins that have a newer snapshot; see `client.entrypoints.sync`."""
        return tuple(pin for pin in self.plugins if pin.newest > pin.snapshot)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrypointDraft:
    """A text that may become an entrypoint, and what was wrong with it when it was saved."""

    name: str
    description: str
    source: str
    source_file: str
    plugins: tuple[str, ...]
    issues: tuple[Issue, ...]
    updated: datetime | None


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
        plugins=tuple(map(read_pin, message.plugins)),
        source=message.source,
        source_file=message.source_file,
        document=json.loads(message.description_json or "{}"),
        created=find_time(message, "create_time"),
        tags=tuple(message.tags),
        deleted=find_time(message, "delete_time"),
        swaps={swap.name: tuple(swap.aliases) for swap in message.swaps},
    )


def read_pin(message: pb.PluginPin) -> PluginPin:
    """Read a pin."""
    return PluginPin(
        name=message.name,
        snapshot=message.snapshot,
        digest=message.digest,
        newest=message.newest_snapshot,
    )


def read_draft(message: pb.EntrypointDraft) -> EntrypointDraft:
    """Read a draft."""
    return EntrypointDraft(
        name=message.name,
        description=message.description,
        source=message.source,
        source_file=message.source_file,
        plugins=tuple(message.plugins),
        issues=tuple(map(read_issue, message.issues)),
        updated=find_time(message, "update_time"),
    )


def _read_parameter(message: pb.EntrypointParameter) -> Parameter:
    has_default = message.HasField("default_value")
    return Parameter(
        name=message.name,
        type=message.type,
        default=read_value(message.default_value) if has_default else None,
        required=not has_default,
    )
