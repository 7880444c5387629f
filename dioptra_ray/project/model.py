"""What a project holds: plugins with their tasks, parameter types, entrypoints."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dioptra_ray.language.issues import Issue, Severity
from dioptra_ray.planning.declarations import Declaration
from dioptra_ray.planning.environments import Environment
from dioptra_ray.plugins.annotations import Definition


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a text.

    Attributes:
        file: Name of the text's file.
        line: From 1; None when unknown.
        column: From 1; None when unknown.
    """

    file: str | None = None
    line: int | None = None
    column: int | None = None

    def issue(
        self, code: str, message: str, *, path: str = "$", severity: Severity = "error"
    ) -> Issue:
        """A problem at this place."""
        return Issue(
            severity=severity,
            code=code,
            message=message,
            path=path,
            file=self.file,
            line=self.line,
            column=self.column,
        )

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else f"{self.file}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInput:
    """An input of a function task; `type` names a parameter type."""

    name: str
    type: str
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutput:
    """An output of a task or an artifact parameter; `type` names a parameter type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionTask:
    """A registered function.

    Attributes:
        id: "plugin.module.function".
        name: Function name, by which a graph calls it.
        file: File inside the plugin.
        line: Line of its `def`, from 1; None when the source does not show it.
        inputs: Inputs in call order.
        outputs: Outputs in order.
        declaration: What source and registration say about how it runs.
        types: Types that only its type hints define, by name; None is a simple type.
        place: Where it is declared: in the registration, else in the source.
    """

    id: str
    name: str
    file: str
    line: int | None
    inputs: tuple[TaskInput, ...] = ()
    outputs: tuple[TaskOutput, ...] = ()
    declaration: Declaration = field(default_factory=Declaration)
    types: Mapping[str, Definition | None] = field(default_factory=dict)
    place: Place = field(default_factory=Place)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactTask:
    """A registered artifact task class.

    Attributes:
        id: "plugin.module.Class".
        name: Class name, by which an artifact output names it.
        file: File inside the plugin.
        line: Line of its `class`, from 1; None when the source does not show it.
        outputs: What `deserialize` returns, in order.
        argument_schema: JSON-schema properties of the arguments of `serialize`, if known.
        types: Types that only its type hints define, by name; None is a simple type.
        place: Where it is declared: in the registration, else in the source.
    """

    id: str
    name: str
    file: str
    line: int | None
    outputs: tuple[TaskOutput, ...] = ()
    argument_schema: Mapping[str, Any] | None = None
    types: Mapping[str, Definition | None] = field(default_factory=dict)
    place: Place = field(default_factory=Place)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPlugin:
    """A plugin.

    Attributes:
        name: What plugin code imports it by.
        description: Free text.
        files: Content by path inside the plugin.
        function_tasks: Sorted by id.
        artifact_tasks: Sorted by id.
    """

    name: str
    description: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    function_tasks: tuple[FunctionTask, ...] = ()
    artifact_tasks: tuple[ArtifactTask, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectType:
    """A parameter type.

    Attributes:
        name: Its name.
        description: Free text.
        structure: Its definition; None for a simple type.
        place: Where it is declared.
    """

    name: str
    description: str = ""
    structure: Any = None
    place: Place = field(default_factory=Place)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrypointParameter:
    """A parameter of an entrypoint.

    Attributes:
        name: Its name.
        kind: Its entrypoint parameter type: "string", "float", "list", ...
        default: The value after coercion, if there is one.
        has_default: Whether there is one; None can be a default.
        place: Where it is declared.
    """

    name: str
    kind: str
    default: Any = None
    has_default: bool = False
    place: Place = field(default_factory=Place)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactParameter:
    """An artifact parameter of an entrypoint, with what it provides."""

    name: str
    outputs: tuple[TaskOutput, ...] = ()
    place: Place = field(default_factory=Place)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectEntrypoint:
    """An entrypoint.

    Attributes:
        name: Its name.
        description: Free text.
        parameters: In declaration order.
        artifact_parameters: In declaration order.
        plugins: Names of the attached plugins, functions and artifact tasks alike, each once.
        source: The text of its YAML file.
        source_file: That file's path in the project.
        place: Where it is declared.
        plugin_places: Where each of `plugins` is named.
    """

    name: str
    description: str = ""
    parameters: tuple[EntrypointParameter, ...] = ()
    artifact_parameters: tuple[ArtifactParameter, ...] = ()
    plugins: tuple[str, ...] = ()
    source: str = ""
    source_file: str = ""
    place: Place = field(default_factory=Place)
    plugin_places: Mapping[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectQueue:
    """A queue; None says nothing about it, so a queue that exists stays as it is there.

    Attributes:
        name: Its name.
        description: Free text.
        environment: Where and with what its jobs run.
        max_started_jobs: At most so many of its jobs run at once; 0 for no limit.
        priority: Queues with a higher one go first; 0 is normal.
        place: Where it is declared.
    """

    name: str
    description: str | None = None
    environment: Environment | None = None
    max_started_jobs: int | None = None
    priority: int | None = None
    place: Place = field(default_factory=Place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Everything that a registration file declares.

    Attributes:
        plugins: Sorted by name.
        types: Sorted by name.
        entrypoints: Sorted by name.
        queues: Sorted by name.
        warnings: Problems that do not stop an import.
    """

    plugins: tuple[ProjectPlugin, ...] = ()
    types: tuple[ProjectType, ...] = ()
    entrypoints: tuple[ProjectEntrypoint, ...] = ()
    queues: tuple[ProjectQueue, ...] = ()
    warnings: tuple[Issue, ...] = ()
