"""The tasks of one plugin: what its source defines, and what its registration says of it.

Dioptra never compares the two; a registration that contradicts the source then fails in
the middle of a job. Here each contradiction is an issue that shows both sides.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.language.issues import Issue
from dioptra_ray.language.suggestions import Suggestions
from dioptra_ray.planning.declarations import Declaration, read_declaration
from dioptra_ray.plugins.annotations import split_tuple
from dioptra_ray.plugins.signatures import (
    ArtifactClass,
    FunctionSignature,
    OutputSignature,
)
from dioptra_ray.project.config import ArtifactEntry, FunctionEntry, OutputEntry
from dioptra_ray.project.contradictions import contradictions, missing_task
from dioptra_ray.project.hints import HintTypes
from dioptra_ray.project.model import ArtifactTask, FunctionTask, Place, TaskInput, TaskOutput
from dioptra_ray.project.shadowing import shadowed
from dioptra_ray.project.sources import PluginSource


@dataclass(slots=True)
class PluginTasks:
    """The tasks of a plugin by (file, name), and what is wrong with them."""

    functions: dict[tuple[str, str], FunctionTask] = field(default_factory=dict)
    artifacts: dict[tuple[str, str], ArtifactTask] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    suggest: Suggestions = field(default_factory=Suggestions)


def source_tasks(source: PluginSource, type_names: Container[str]) -> PluginTasks:
    """The tasks that the source alone defines, typed by their hints."""
    tasks = PluginTasks()
    tasks.issues.extend(shadowed(source))
    for file, module in source.modules.items():
        tasks.issues.extend(module.issues)
        for function in module.functions:
            tasks.functions[file, function.name] = _function(source, file, function, type_names)
        for artifact in module.artifact_classes:
            tasks.artifacts[file, artifact.name] = _artifact(source, file, artifact, type_names)
    return tasks


def register_function(
    tasks: PluginTasks, source: PluginSource, entry: FunctionEntry, place: Place
) -> None:
    """Lay a function task's registration over what the source says."""
    signature = source.function(entry.filename, entry.name)
    if signature is None and (
        issue := missing_task(source, entry, place, "function", tasks.suggest)
    ):
        tasks.issues.append(issue)
    known = tasks.functions.get((entry.filename, entry.name))
    if known is None:
        known = FunctionTask(
            id=source.task_id(entry.filename, entry.name),
            name=entry.name,
            file=entry.filename,
            line=None,
        )
    if signature is not None and entry.input_params is not None:
        tasks.issues.extend(contradictions(entry, signature, place, source, tasks.suggest))
    inputs = known.inputs if entry.input_params is None else _inputs(entry, signature)
    outputs = known.outputs if entry.output_params is None else _outputs(entry.output_params)
    used = {given.type for given in inputs} | {output.type for output in outputs}
    derived = entry.input_params is None or entry.output_params is None
    tasks.functions[entry.filename, entry.name] = replace(
        known,
        inputs=inputs,
        outputs=outputs,
        declaration=_declaration(entry.declaration, place, tasks).merged_over(known.declaration),
        types=known.types if derived and used & known.types.keys() else {},
        place=place,
    )


def register_artifact(
    tasks: PluginTasks, source: PluginSource, entry: ArtifactEntry, place: Place
) -> None:
    """Lay an artifact task's registration over what the source says."""
    known = tasks.artifacts.get((entry.filename, entry.name))
    if known is None and (issue := missing_task(source, entry, place, "class", tasks.suggest)):
        tasks.issues.append(issue)
    if known is None:
        known = ArtifactTask(
            id=source.task_id(entry.filename, entry.name),
            name=entry.name,
            file=entry.filename,
            line=None,
            outputs=(TaskOutput(name="output", type="any"),),
        )
    if entry.output_params is not None:
        known = replace(known, outputs=_outputs(entry.output_params), types={})
    _declaration(entry.declaration, place, tasks)
    tasks.artifacts[entry.filename, entry.name] = replace(known, place=place)


def _function(
    source: PluginSource, file: str, function: FunctionSignature, type_names: Container[str]
) -> FunctionTask:
    hints = HintTypes(type_names)
    return FunctionTask(
        id=source.task_id(file, function.name),
        name=function.name,
        file=file,
        line=function.line,
        inputs=tuple(
            TaskInput(name=given.name, type=hints.name(given.annotation), required=given.required)
            for given in function.inputs
        ),
        outputs=_hinted_outputs(function.outputs, hints),
        declaration=function.declaration,
        types=hints.made,
        place=source.place(file, function.line),
    )


def _artifact(
    source: PluginSource, file: str, artifact: ArtifactClass, type_names: Container[str]
) -> ArtifactTask:
    hints = HintTypes(type_names)
    return ArtifactTask(
        id=source.task_id(file, artifact.name),
        name=artifact.name,
        file=file,
        line=artifact.line,
        outputs=_hinted_outputs(artifact.outputs, hints),
        argument_schema=artifact.argument_schema,
        types=hints.made,
        place=source.place(file, artifact.line),
    )


def _hinted_outputs(outputs: Iterable[OutputSignature], hints: HintTypes) -> tuple[TaskOutput, ...]:
    made: list[TaskOutput] = []
    for output in outputs:
        members = split_tuple(output.annotation) if output.annotation else (output.annotation,)
        several = len(members) > 1
        made.extend(
            TaskOutput(
                name=f"{output.name}_{number}" if several else output.name,
                type=hints.name(member),
            )
            for number, member in enumerate(members, start=1)
        )
    return tuple(made)


def _inputs(entry: FunctionEntry, signature: FunctionSignature | None) -> tuple[TaskInput, ...]:
    needed = {given.name for given in signature.inputs if given.required} if signature else set()
    return tuple(
        TaskInput(
            name=given.name,
            type=given.type,
            # Where the registration is silent, a call that Python would refuse is not let in.
            required=given.name in needed if given.required is None else given.required,
        )
        for given in entry.input_params or ()
    )


def _outputs(entries: Iterable[OutputEntry]) -> tuple[TaskOutput, ...]:
    return tuple(TaskOutput(name=entry.name, type=entry.type) for entry in entries)


def _declaration(values: Mapping[str, Any], place: Place, tasks: PluginTasks) -> Declaration:
    try:
        return read_declaration(values)
    except InvalidRequestError as error:
        tasks.issues.append(place.issue("registration.declaration", error.message))
        return Declaration()
