"""The tasks of one plugin: what its source defines, and what its registration says of it.

Dioptra never compares the two; a registration that contradicts the source then fails in
the middle of a job. Here each contradiction is an issue that shows both sides.
"""

import difflib
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.language.issues import Issue
from dioptra_ray.planning.declarations import Declaration, read_declaration
from dioptra_ray.plugins.annotations import BUILTIN_TYPES
from dioptra_ray.plugins.signatures import (
    ArtifactClass,
    FunctionSignature,
    InputSignature,
    ModuleSignatures,
    OutputSignature,
    analyze,
)
from dioptra_ray.project.config import ArtifactEntry, FunctionEntry, OutputEntry
from dioptra_ray.project.hints import HintTypes
from dioptra_ray.project.model import ArtifactTask, FunctionTask, Place, TaskInput, TaskOutput


@dataclass(slots=True)
class PluginSource:
    """A plugin's files, analyzed.

    Attributes:
        name: Plugin name.
        label: What messages call the plugin's folder.
        modules: What each Python file defines, by path inside the plugin.
    """

    name: str
    label: str
    modules: Mapping[str, ModuleSignatures]

    @classmethod
    def read(cls, name: str, files: Mapping[str, bytes], *, label: str) -> "PluginSource":
        """Analyze every Python file."""
        modules = {
            path: _analyze(files[path], f"{label}/{path}")
            for path in sorted(files)
            if path.endswith(".py")
        }
        return cls(name=name, label=label, modules=modules)

    def task_id(self, file: str, name: str) -> str:
        """`plugin.module.name`; an `__init__.py` is its folder."""
        parts = PurePosixPath(file).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        return ".".join((self.name, *parts, name))

    def place(self, file: str, line: int | None) -> Place:
        """A place in one of the files."""
        return Place(file=f"{self.label}/{file}", line=line, column=1 if line else None)


@dataclass(slots=True)
class PluginTasks:
    """The tasks of a plugin by (file, name), and what is wrong with them."""

    functions: dict[tuple[str, str], FunctionTask] = field(default_factory=dict)
    artifacts: dict[tuple[str, str], ArtifactTask] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)


def source_tasks(source: PluginSource, type_names: Container[str]) -> PluginTasks:
    """The tasks that the source alone defines, typed by their hints."""
    tasks = PluginTasks()
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
    signature = _find_function(source, entry)
    if signature is None and (issue := _missing(source, entry, place, "function")):
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
        tasks.issues.extend(_contradictions(entry, signature, place, source))
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
    if known is None and (issue := _missing(source, entry, place, "class")):
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


def _analyze(content: bytes, file: str) -> ModuleSignatures:
    try:
        return analyze(content.decode("utf-8-sig"), file=file)
    except UnicodeDecodeError as error:
        issue = Place(file=file).issue("python.syntax", f"This file is not UTF-8 text: {error}.")
        return ModuleSignatures(issues=(issue,))


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
    return tuple(
        TaskOutput(name=output.name, type=hints.name(output.annotation)) for output in outputs
    )


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


def _find_function(source: PluginSource, entry: FunctionEntry) -> FunctionSignature | None:
    module = source.modules.get(entry.filename, ModuleSignatures())
    found = [function for function in module.functions if function.name == entry.name]
    return found[-1] if found else None


def _missing(
    source: PluginSource, entry: FunctionEntry | ArtifactEntry, place: Place, kind: str
) -> Issue | None:
    """Why the source shows no such task, if that is a problem."""
    module = source.modules.get(entry.filename)
    if module is None:
        close = difflib.get_close_matches(entry.filename, source.modules, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        message = (
            f"Task {entry.name!r}: there is no file {entry.filename!r} in {source.label}.{hint}"
        )
        return place.issue("registration.missing_file", message)
    if module.issues and not module.functions and not module.definitions:
        return None  # the file could not be read, which is said already
    if line := module.definitions.get(entry.name):
        how = (
            "is not visibly decorated with pyplugs.register"
            if kind == "function"
            else "does not visibly inherit ArtifactTaskInterface"
        )
        return place.issue(
            "registration.not_registered",
            f"{entry.name!r} in {source.place(entry.filename, line)} {how}; a job that calls it "
            "may fail.",
            severity="warning",
        )
    defined = [
        *(task.name for task in module.functions),
        *(c.name for c in module.artifact_classes),
    ]
    close = difflib.get_close_matches(entry.name, [*defined, *module.definitions], 1)
    hint = f" Did you mean {close[0]!r}?" if close else f" It defines {_listed(defined)}."
    return place.issue(
        f"registration.missing_{kind}",
        f"{source.label}/{entry.filename} does not define {entry.name!r}.{hint}",
    )


def _contradictions(
    entry: FunctionEntry, signature: FunctionSignature, place: Place, source: PluginSource
) -> Iterable[Issue]:
    """What the registration says of the inputs that the source denies."""
    actual = {given.name: given for given in signature.inputs}
    declared = [given.name for given in entry.input_params or ()]
    both = (
        f"The registration says {entry.name}({', '.join(declared)}), "
        f"{source.place(entry.filename, signature.line)} says "
        f"{entry.name}({_spell_inputs(signature)})"
    )
    unknown = [name for name in declared if name not in actual]
    if unknown and not signature.has_var_keyword:
        close = difflib.get_close_matches(unknown[0], [n for n in actual if n not in declared], 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        yield place.issue(
            "registration.unknown_input",
            f"{both}: the function has no input {_listed(unknown)}.{hint}",
        )
    order = [name for name in actual if name in declared]
    if order != [name for name in declared if name in actual]:
        yield place.issue("registration.input_order", f"{both}: the order of the inputs differs.")
    left_out = [g.name for g in signature.inputs if g.required and g.name not in declared]
    if left_out:
        yield place.issue(
            "registration.missing_input", f"{both}: {_listed(left_out)} must be given too."
        )
    optional = [
        given.name
        for given in entry.input_params or ()
        if given.required is False and given.name in actual and actual[given.name].required
    ]
    if optional:
        yield place.issue(
            "registration.required_input",
            f"{both}: {_listed(optional)} has no default in the source, so it is required.",
            severity="warning",
        )


def _spell_inputs(signature: FunctionSignature) -> str:
    spelled = [_spell_input(given) for given in signature.inputs]
    spelled += ["*args"] * signature.has_var_positional
    spelled += ["**kwargs"] * signature.has_var_keyword
    return ", ".join(spelled)


def _spell_input(given: InputSignature) -> str:
    return given.name if given.required else f"{given.name}=..."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "nothing"


def undefined_types(
    task: FunctionTask | ArtifactTask, type_names: Container[str]
) -> Iterable[Issue]:
    """Types that a task names and nobody declares."""
    typed = [(output.name, output.type) for output in task.outputs]
    if isinstance(task, FunctionTask):
        typed = [(given.name, given.type) for given in task.inputs] + typed
    for name, type_name in typed:
        if type_name not in type_names and type_name not in BUILTIN_TYPES | task.types.keys():
            yield task.place.issue(
                "registration.undefined_type",
                f"Task {task.name!r}: the type {type_name!r} of {name!r} is not declared; "
                "add it under [[plugin_param_types]].",
            )
