"""Registry values as messages."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from dioptra_controller.registry.drafts import Draft
from dioptra_controller.registry.entrypoints import EntrypointSnapshot, PluginPin
from dioptra_controller.registry.parameter_types import ParameterType
from dioptra_controller.registry.plugins import PluginSnapshot, PluginTask
from dioptra_controller.rpc.listings import Tags
from dioptra_ray.api.controller.v1 import (
    entrypoint_pb2,
    parameter_type_service_pb2,
    plugin_pb2,
    plugin_service_pb2,
)
from dioptra_ray.language.swaps import swap_choices
from dioptra_ray.project.model import ArtifactTask, FunctionTask, TaskInput, TaskOutput
from dioptra_ray.wire.issues import write_issue
from dioptra_ray.wire.times import to_timestamp
from dioptra_ray.wire.values import write_value


def write_plugin(plugin: PluginSnapshot, tags: Tags) -> plugin_pb2.Plugin:
    """Write a plugin snapshot."""
    return plugin_pb2.Plugin(
        name=plugin.name,
        description=plugin.description,
        snapshot=plugin.number,
        digest=plugin.digest,
        files=[plugin_pb2.PluginFile(path=file.path, size=file.size) for file in plugin.files],
        function_tasks=map(_write_function, plugin.function_tasks),
        artifact_tasks=map(_write_artifact_task, plugin.artifact_tasks),
        create_time=to_timestamp(plugin.create_time),
        tags=tags.get(plugin.head_id, ()),
        delete_time=find_timestamp(plugin.delete_time),
        group=plugin.group,
    )


def write_parameter_type(
    one: ParameterType, tags: Tags
) -> parameter_type_service_pb2.ParameterType:
    """Write a parameter type."""
    return parameter_type_service_pb2.ParameterType(
        name=one.name,
        description=one.description,
        structure_json=json.dumps(one.structure),
        snapshot=one.number,
        create_time=find_timestamp(one.create_time),
        tags=tags.get(one.head_id, ()),
        delete_time=find_timestamp(one.delete_time),
        group=one.group,
    )


def write_entrypoint(entrypoint: EntrypointSnapshot, tags: Tags) -> entrypoint_pb2.Entrypoint:
    """Write an entrypoint snapshot."""
    description = entrypoint.description
    parameters = description.get("parameters") or {}
    inputs = description.get("artifact_inputs") or {}
    return entrypoint_pb2.Entrypoint(
        name=entrypoint.name,
        description=entrypoint.summary,
        snapshot=entrypoint.number,
        parameters=[_write_parameter(name, given) for name, given in parameters.items()],
        artifact_parameters=[
            entrypoint_pb2.ArtifactParameter(name=name, outputs=_write_output_list(outputs))
            for name, outputs in inputs.items()
        ],
        artifact_outputs=list(description.get("artifact_outputs") or {}),
        steps=list(description["graph"]),
        plugins=[write_pin(pin) for pin in entrypoint.plugins],
        source=entrypoint.source,
        source_file=entrypoint.source_file,
        description_json=json.dumps(description, separators=(",", ":"), ensure_ascii=False),
        create_time=to_timestamp(entrypoint.create_time),
        tags=tags.get(entrypoint.head_id, ()),
        delete_time=find_timestamp(entrypoint.delete_time),
        group=entrypoint.group,
        swaps=[
            entrypoint_pb2.Swap(name=name, aliases=aliases)
            for name, aliases in swap_choices(description).items()
        ],
    )


def write_pin(pin: PluginPin) -> entrypoint_pb2.PluginPin:
    """Write a pin."""
    return entrypoint_pb2.PluginPin(
        name=pin.name, snapshot=pin.number, digest=pin.digest, newest_snapshot=pin.newest
    )


def write_draft(draft: Draft, *, with_source: bool = True) -> entrypoint_pb2.EntrypointDraft:
    """Write a draft; lists leave its source out."""
    return entrypoint_pb2.EntrypointDraft(
        name=draft.name,
        description=draft.description,
        source=draft.source if with_source else "",
        source_file=draft.source_file,
        plugins=draft.plugins,
        issues=map(write_issue, draft.issues),
        update_time=find_timestamp(draft.update_time),
    )


def write_task(one: PluginTask) -> plugin_service_pb2.Task:
    """Write a task with the snapshot that it is of."""
    written = plugin_service_pb2.Task(plugin=one.plugin, snapshot=one.number)
    if isinstance(one.task, FunctionTask):
        written.function.CopyFrom(_write_function(one.task))
    else:
        written.artifact.CopyFrom(_write_artifact_task(one.task))
    return written


def find_timestamp(moment: dt.datetime | None) -> Timestamp | None:
    """A time that may not be there."""
    return None if moment is None else to_timestamp(moment)


def _write_parameter(name: str, given: Any) -> entrypoint_pb2.EntrypointParameter:
    if not isinstance(given, Mapping):
        return entrypoint_pb2.EntrypointParameter(name=name, default_value=write_value(given))
    has_default = "default" in given
    return entrypoint_pb2.EntrypointParameter(
        name=name,
        type=given.get("type") or "",
        default_value=write_value(given["default"]) if has_default else None,
    )


def _write_output_list(outputs: Any) -> Iterable[plugin_pb2.TypedName]:
    listed = [outputs] if isinstance(outputs, Mapping) else outputs or []
    for one in listed:
        for name, kind in one.items():
            yield plugin_pb2.TypedName(name=name, type=kind)


def _write_function(task: FunctionTask) -> plugin_pb2.FunctionTask:
    return plugin_pb2.FunctionTask(
        id=task.id,
        name=task.name,
        file=task.file,
        line=task.line or 0,
        inputs=map(_write_input, task.inputs),
        outputs=map(_write_output, task.outputs),
    )


def _write_artifact_task(task: ArtifactTask) -> plugin_pb2.ArtifactTask:
    return plugin_pb2.ArtifactTask(
        id=task.id,
        name=task.name,
        file=task.file,
        line=task.line or 0,
        outputs=map(_write_output, task.outputs),
    )


def _write_input(given: TaskInput) -> plugin_pb2.TypedName:
    return plugin_pb2.TypedName(name=given.name, type=given.type, required=given.required)


def _write_output(made: TaskOutput) -> plugin_pb2.TypedName:
    return plugin_pb2.TypedName(name=made.name, type=made.type)
