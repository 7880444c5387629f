"""The shape of a registration file (`dioptra.toml`), with a place for every complaint.

Takes both forms in use: tasks under `[[plugins.tasks.functions]]` and
`[[plugins.tasks.artifacts]]`, as Dioptra's importer wants them, and `[[plugins.tasks]]`
directly, as Dioptra's reference page shows them.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError
from pydantic_core import ErrorDetails

from dioptra_ray.language.issues import Issue
from dioptra_ray.language.paths import to_json_path
from dioptra_ray.project.model import Place
from dioptra_ray.project.positions import Path, Position, locate, nearest


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class OutputEntry(_Section):
    """A name and its parameter type."""

    name: str
    type: str


class InputEntry(_Section):
    """An input; Dioptra takes one without `required` as optional."""

    name: str
    type: str
    required: bool | None = None


class _TaskEntry(_Section):
    # Extra keys are what says how a task runs; which ones there are is checked with them.
    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    filename: str
    name: str
    description: str = ""
    output_params: list[OutputEntry] | None = None

    @property
    def declaration(self) -> Mapping[str, Any]:
        """What the entry says about how the task runs."""
        return self.model_extra or {}


class FunctionEntry(_TaskEntry):
    """A function task; what it leaves out is taken from the source."""

    input_params: list[InputEntry] | None = None


class ArtifactEntry(_TaskEntry):
    """An artifact task; what it leaves out is taken from the source."""


class TasksTable(_Section):
    """Tasks by kind."""

    functions: list[FunctionEntry] = Field(default_factory=list)
    artifacts: list[ArtifactEntry] = Field(default_factory=list)


def _tasks_form(value: Any) -> str:
    return "list" if isinstance(value, list) else "table"


class PluginEntry(_Section):
    """A plugin folder."""

    path: str
    description: str = ""
    tasks: Annotated[
        Annotated[TasksTable, Tag("table")] | Annotated[list[FunctionEntry], Tag("list")],
        Discriminator(_tasks_form),
    ] = Field(default_factory=TasksTable)

    @property
    def functions(self) -> tuple[tuple[Path, FunctionEntry], ...]:
        """Function tasks with their paths below the plugin."""
        if isinstance(self.tasks, list):
            return tuple((("tasks", i), entry) for i, entry in enumerate(self.tasks))
        return tuple((("tasks", "functions", i), e) for i, e in enumerate(self.tasks.functions))

    @property
    def artifacts(self) -> tuple[tuple[Path, ArtifactEntry], ...]:
        """Artifact tasks with their paths below the plugin."""
        if isinstance(self.tasks, list):
            return ()
        return tuple((("tasks", "artifacts", i), e) for i, e in enumerate(self.tasks.artifacts))


class TypeEntry(_Section):
    """A parameter type; without structure it is a simple one."""

    name: str
    description: str = ""
    structure: dict[str, Any] | None = None


class ParameterEntry(_Section):
    """An entrypoint parameter; Dioptra keeps defaults as texts, TOML values are taken too."""

    name: str
    type: str
    default_value: Any = None


class ArtifactParameterEntry(_Section):
    """An artifact parameter with what it provides."""

    name: str
    output_params: list[OutputEntry]


class EntrypointEntry(_Section):
    """An entrypoint; without a name it is called like its file."""

    path: str
    name: str | None = None
    description: str = ""
    params: list[ParameterEntry] = Field(default_factory=list)
    artifact_params: list[ArtifactParameterEntry] = Field(default_factory=list)
    plugins: list[str] = Field(default_factory=list)
    artifact_plugins: list[str] = Field(default_factory=list)


class QueueEntry(_Section):
    """A queue; what its environment may hold is checked with that."""

    name: str
    description: str | None = None
    environment: dict[str, Any] | None = None
    max_started_jobs: int | None = None
    priority: int | None = None


class Config(_Section):
    """A registration file."""

    plugins: list[PluginEntry] = Field(default_factory=list)
    plugin_param_types: list[TypeEntry] = Field(default_factory=list)
    entrypoints: list[EntrypointEntry] = Field(default_factory=list)
    queues: list[QueueEntry] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigText:
    """The text of a registration file, for saying where something stands in it."""

    file: str
    positions: Mapping[Path, Position]

    def place(self, *path: str | int) -> Place:
        """Where the value at `path` stands, or what holds it."""
        line, column = nearest(self.positions, path) or (None, None)
        return Place(file=self.file, line=line, column=column)

    def issue(self, code: str, message: str, path: Path) -> Issue:
        """A problem with the value at `path`."""
        return self.place(*path).issue(code, message, path=to_json_path(path))


def read_config(content: bytes, file: str) -> tuple[Config | None, ConfigText, list[Issue]]:
    """Read a registration file; without a config, the issues say why."""
    text = ConfigText(file=file, positions={(): (1, 1)})
    try:
        decoded = content.decode("utf-8-sig").replace("\r\n", "\n")
        data = tomllib.loads(decoded)
    except (UnicodeDecodeError, RecursionError) as error:
        return None, text, [text.issue("toml.syntax", f"This file cannot be read: {error}.", ())]
    except tomllib.TOMLDecodeError as error:
        return None, text, [_syntax_issue(error, decoded, file)]
    except ValueError as error:  # a date that is none, a number of thousands of digits
        return None, text, [text.issue("toml.syntax", f"A value cannot be read: {error}.", ())]
    text = ConfigText(file=file, positions=locate(decoded))
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        return None, text, [_shape_issue(problem, data, text) for problem in error.errors()]
    return config, text, []


def _syntax_issue(error: tomllib.TOMLDecodeError, text: str, file: str) -> Issue:
    message, _, where = str(error).rpartition(" (at ")
    numbers = [int(word) for word in where.replace(",", " ").rstrip(")").split() if word.isdigit()]
    line, column = (
        numbers if len(numbers) == 2 else (text.count("\n") + 1, 1)  # noqa: PLR2004
    )
    place = Place(file=file, line=line, column=column)
    return place.issue("toml.syntax", f"This is not valid TOML: {message or error}.")


def _shape_issue(problem: ErrorDetails, data: Any, text: ConfigText) -> Issue:
    path = _existing(problem["loc"], data)
    last = str(problem["loc"][-1])
    match problem["type"]:
        case "missing":
            message = f"`{last}` is missing here."
        case "extra_forbidden":
            message = f"`{last}` is not a key that this table may have."
        case _:
            wanted = problem["msg"].removeprefix("Input should be ")
            message = f"`{last}` should be {wanted}, not {_describe(problem['input'])}."
    return text.issue("registration.shape", message, path)


_TOML_TYPES = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    list: "an array",
    dict: "a table",
}


def _describe(value: Any) -> str:
    return _TOML_TYPES.get(type(value), "a date or time")


def _existing(location: tuple[int | str, ...], data: Any) -> Path:
    """The part of a pydantic location that is in the document; tags of unions are not."""
    path: Path = ()
    for part in location:
        in_list = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if in_list or (isinstance(data, dict) and part in data):
            data = data[part]
            path = (*path, part)
    return path
