"""Registry values as messages."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from dioptra_controller.registry.entrypoints import EntrypointSnapshot
from dioptra_controller.registry.parameter_types import ParameterType
from dioptra_controller.registry.plugins import PluginSnapshot
from dioptra_ray.api.controller.v1 import entrypoint_pb2, parameter_type_service_pb2, plugin_pb2
from dioptra_ray.project.model import ArtifactTask, FunctionTask, TaskInput, TaskOutput
from dioptra_ray.wire.times import to_timestamp
from dioptra_ray.wire.values import write_value


def write_plugin(plugin: PluginSnapshot) -> plugin_pb2.Plugin:
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
    )


def write_parameter_type(one: ParameterType) -> parameter_type_service_pb2.ParameterType:
    """Write a parameter type."""
    return parameter_type_service_pb2.ParameterType(
        name=one.name,
        description=one.description,
        structure_json=json.dumps(one.structure),
        snapshot=one.number,
        create_time=to_timestamp(one.create_time) if one.create_time else None,
    )


def write_entrypoint(entrypoint: EntrypointSnapshot) -> entrypoint_pb2.Entrypoint:
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
        plugins=[
            entrypoint_pb2.PluginPin(name=pin.name, snapshot=pin.number, digest=pin.digest)
            for pin in entrypoint.plugins
        ],
        source=entrypoint.source,
        source_file=entrypoint.source_file,
        description_json=json.dumps(description, separators=(",", ":"), ensure_ascii=False),
        create_time=to_timestamp(entrypoint.create_time),
    )


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
