"""From a registered entrypoint to one self-contained description.

Dioptra keeps an entrypoint in pieces: parameters and attached plugins in the registration,
graph and artifacts in a YAML file, types elsewhere. What runs is one description; here the
pieces are put together and validated, and each problem is placed where its piece was written.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.language import load, validate
from dioptra_ray.language.issues import Issue
from dioptra_ray.language.swaps import renamed_tasks, render
from dioptra_ray.planning.declarations import Declaration
from dioptra_ray.plugins.annotations import BUILTIN_TYPES
from dioptra_ray.plugins.coerce import DESCRIPTION_TYPES
from dioptra_ray.project.model import (
    ArtifactTask,
    EntrypointParameter,
    FunctionTask,
    ProjectEntrypoint,
    ProjectPlugin,
    ProjectType,
    TaskOutput,
)
from dioptra_ray.project.origins import Origins
from dioptra_ray.project.usage import (
    artifact_section,
    called_tasks,
    passed_as,
    written_with,
)
from dioptra_ray.project.used_types import used_types

_Task = TypeVar("_Task", FunctionTask, ArtifactTask)

_FILE_SECTIONS: Final = ("graph", "artifacts", "artifact_outputs", "execution")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedEntrypoint:
    """An entrypoint, ready to be planned if no issue is an error.

    Attributes:
        description: Self-contained: types, parameters, tasks, graph, artifacts.
        artifact_tasks: Id ("plugin.module.Class") by artifact task name.
        argument_schemas: JSON-schema properties by artifact task name; None if unknown.
        declarations: What source and registration say, by name of function task.
        source: The text of the YAML file.
        source_file: Its name.
        issues: Everything wrong with it, each placed in the file that it comes from.
    """

    description: dict[str, Any]
    artifact_tasks: dict[str, str] = field(default_factory=dict)
    argument_schemas: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)
    declarations: dict[str, Declaration] = field(default_factory=dict)
    source: str = ""
    source_file: str = ""
    issues: tuple[Issue, ...] = ()

    def choose(self, choices: Mapping[str, str]) -> "ComposedEntrypoint":
        """The entrypoint with an alternative chosen for each of its swaps.

        Raises:
            InvalidDescriptionError: A choice is missing or names nothing.
        """
        description = dict(render(self.description, choices))
        copies = renamed_tasks(self.description, choices)
        declarations = {
            copy: self.declarations[task]
            for copy, task in copies.items()
            if task in self.declarations
        }
        return replace(
            self, description=description, declarations={**self.declarations, **declarations}
        )


def compose_description(
    entrypoint: ProjectEntrypoint,
    *,
    plugins: Iterable[ProjectPlugin],
    types: Iterable[ProjectType] = (),
) -> ComposedEntrypoint:
    """Put an entrypoint together from its YAML file, its registration and its plugins.

    A file with `tasks` is self-contained already and names its plugins itself.
    """
    try:
        # A text of one line could be taken for the name of a file.
        text = entrypoint.source if "\n" in entrypoint.source else entrypoint.source + "\n"
        loaded = load(text, file=entrypoint.source_file)
    except InvalidDescriptionError as error:
        return ComposedEntrypoint(
            description={},
            source=entrypoint.source,
            source_file=entrypoint.source_file,
            issues=error.issues,
        )
    by_name = {plugin.name: plugin for plugin in plugins}
    attached = [by_name[name] for name in entrypoint.plugins if name in by_name]
    composition = _Composition(entrypoint, loaded, attached, {one.name: one for one in types})
    return composition.compose()


class _Composition:
    """One entrypoint on its way to a description."""

    def __init__(
        self,
        entrypoint: ProjectEntrypoint,
        loaded: Mapping[str, Any],
        attached: Sequence[ProjectPlugin],
        types: Mapping[str, ProjectType],
    ) -> None:
        self.entrypoint = entrypoint
        self.loaded = loaded
        self.types = types
        self.origins = Origins(loaded, entrypoint.source_file)
        self.issues: list[Issue] = []
        self.self_contained = "tasks" in loaded
        functions = [task for plugin in attached for task in plugin.function_tasks]
        artifacts = [task for plugin in attached for task in plugin.artifact_tasks]
        self.artifacts = self._pick(artifacts, written_with(loaded))
        self.functions = (
            _named_by_id(loaded, functions)
            if self.self_contained
            else self._pick(functions, called_tasks(loaded))
        )

    def compose(self) -> ComposedEntrypoint:
        description = self.loaded
        if not self.self_contained:
            description = self.origins.positioned(self._description())
        schemas = {name: task.argument_schema for name, task in self.artifacts.items()}
        found = validate(description, artifact_tasks=schemas, thorough=True)
        self.issues.extend(map(self.origins.place, found))
        return ComposedEntrypoint(
            description=dict(description),
            artifact_tasks={name: task.id for name, task in self.artifacts.items()},
            argument_schemas=schemas,
            declarations={name: task.declaration for name, task in self.functions.items()},
            source=self.entrypoint.source,
            source_file=self.entrypoint.source_file,
            issues=tuple(dict.fromkeys(self.issues)),
        )

    def _pick(self, tasks: Iterable[_Task], used: set[str]) -> dict[str, _Task]:
        """One task a name; Dioptra lets the last plugin win without a word."""
        named: dict[str, list[_Task]] = {}
        for task in tasks:
            named.setdefault(task.name, []).append(task)
        for name, candidates in named.items():
            if len(candidates) > 1:
                self.issues.append(self._ambiguous(name, candidates, is_used=name in used))
        return {
            name: candidates[0]
            for name, candidates in named.items()
            if len(candidates) == 1 or name in used
        }

    def _ambiguous(self, name: str, tasks: Sequence[_Task], *, is_used: bool) -> Issue:
        both = " and ".join(f"{task.id} ({task.place})" for task in tasks)
        way_out = (
            "rename one, or attach only one of the plugins."
            if is_used
            else "this graph can use neither."
        )
        return self.entrypoint.place.issue(
            "task.ambiguous",
            f"Entrypoint {self.entrypoint.name!r}: the task name {name!r} means {both}: {way_out}",
            severity="error" if is_used else "warning",
        )

    def _description(self) -> dict[str, Any]:
        for section in self.loaded:
            if section not in _FILE_SECTIONS:
                place = self.origins.in_file(section)
                message = (
                    f"The section {section!r} is not read: an entrypoint's file has `graph` and "
                    "`artifacts`, the rest is in the registration."
                )
                self.issues.append(
                    place.issue("entrypoint.ignored_section", message, severity="warning")
                )
        made: dict[str, Any] = {}
        parameters = {one.name: self._parameter(one, made) for one in self.entrypoint.parameters}
        inputs = {one.name: _outputs(one.outputs) for one in self.entrypoint.artifact_parameters}
        sections = {
            "types": used_types(self.functions.values(), self.entrypoint, self.types, made),
            "parameters": parameters,
            "tasks": {name: _task(task) for name, task in sorted(self.functions.items())},
            "artifact_inputs": inputs,
            "graph": self.loaded.get("graph"),
            "artifact_outputs": artifact_section(self.loaded),
            "execution": self.loaded.get("execution", {}),
        }
        self._note_origins()
        required = ("tasks", "graph")
        return {key: value for key, value in sections.items() if value or key in required}

    def _parameter(self, parameter: EntrypointParameter, made: dict[str, Any]) -> dict[str, Any]:
        written: dict[str, Any] = {}
        kind = DESCRIPTION_TYPES[parameter.kind]
        if kind is not None:
            written["type"] = kind
        elif not parameter.has_default:
            written["type"] = self._structured(parameter, made)
        if parameter.has_default:
            written["default"] = parameter.default
        return written

    def _structured(self, parameter: EntrypointParameter, made: dict[str, Any]) -> str:
        """The type of a list or mapping without a default, which Dioptra cannot express.

        Named structures are compatible only with themselves, so it is the type of the
        inputs that the parameter is passed to, where that is clear.
        """
        taken = [
            name
            for name in passed_as(parameter.name, self.loaded, self.functions)
            if name not in BUILTIN_TYPES
        ]
        if taken:
            return taken[0]
        name = f"{parameter.kind}_parameter"
        made[name] = _STRUCTURES[parameter.kind]
        return name

    def _note_origins(self) -> None:
        named = self.origins.named
        named |= {("types", one.name): one.place for one in self.types.values()}
        named |= {("tasks", name): task.place for name, task in self.functions.items()}
        named |= {("parameters", one.name): one.place for one in self.entrypoint.parameters}
        named |= {
            ("artifact_inputs", one.name): one.place for one in self.entrypoint.artifact_parameters
        }


_STRUCTURES: Final = {"list": {"list": "any"}, "mapping": {"mapping": ["string", "any"]}}


def _named_by_id(
    loaded: Mapping[str, Any], functions: Iterable[FunctionTask]
) -> dict[str, FunctionTask]:
    """The tasks of a self-contained description that the attached plugins define."""
    by_id = {task.id: task for task in functions}
    tasks = loaded["tasks"] if isinstance(loaded["tasks"], Mapping) else {}
    ids = {name: task.get("plugin") for name, task in tasks.items() if isinstance(task, Mapping)}
    return {name: by_id[one] for name, one in ids.items() if isinstance(one, str) and one in by_id}


def _task(task: FunctionTask) -> dict[str, Any]:
    written: dict[str, Any] = {"plugin": task.id}
    if task.inputs:
        written["inputs"] = [
            {"name": given.name, "type": given.type, "required": given.required}
            for given in task.inputs
        ]
    if task.outputs:
        written["outputs"] = _outputs(task.outputs)
    return written


def _outputs(outputs: Sequence[TaskOutput]) -> Any:
    """One output stands alone: the value is taken whole, not unpacked."""
    if len(outputs) == 1:
        return {outputs[0].name: outputs[0].type}
    return [{output.name: output.type} for output in outputs]
