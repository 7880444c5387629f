"""What the rules look at: the sections of a description, read once.

A scope is made of a description whose shape is right, so everything here may be read
without further checks; names may still be of any type, and point nowhere. The rules ask it what
is known: here everything is, in a `SoundScope` of a description with errors only parts are.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dioptra_ray.language.alternatives import Alternative, alternatives
from dioptra_ray.language.graph import Reference, task_key
from dioptra_ray.language.paths import Path
from dioptra_ray.language.suggestions import Suggestions
from dioptra_ray.language.types import BUILTIN_TYPES, Type, build_types
from dioptra_ray.language.types.compatibility import Comparer
from dioptra_ray.language.validation.findings import show

Positional = tuple[tuple[Path, Any], ...]
"""Place and value of each positional argument."""

Keyword = tuple[tuple[Any, Path, Any], ...]
"""Name, place and value of each keyword argument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of a task."""

    name: str
    type: str
    required: bool
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One output of a task or of an artifact input."""

    name: str
    type: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task of the `tasks` section."""

    name: Any
    plugin: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]

    @cached_property
    def ranks(self) -> dict[str, int]:
        """The position of each input."""
        ranks: dict[str, int] = {}
        for rank, each in enumerate(self.inputs):
            ranks.setdefault(each.name, rank)
        return ranks

    @cached_property
    def required(self) -> tuple[int, ...]:
        """The positions of the inputs that must be given."""
        return tuple(rank for rank, each in enumerate(self.inputs) if each.required)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What one step calls, with the place of each argument; a swap makes several of a step.

    Attributes:
        step: Name of the step.
        choice: `swap=alias` of the alternative; empty for a plain step.
        task: Name of the task, as written.
        is_mixed: Whether the task is named under the key `task`.
        positional: Place and value of each positional argument.
        keyword: Name, place and value of each keyword argument.
        dependencies: Names as written.
        path: Place of the invocation.
        outputs: What its outputs are called; None where the task says that.
    """

    step: Any
    choice: str
    task: Any
    is_mixed: bool
    positional: Positional
    keyword: Keyword
    dependencies: tuple[str, ...]
    path: Path
    outputs: tuple[str, ...] | None

    @property
    def shown(self) -> str:
        """The step, and the alternative, as messages name it."""
        return f"{show(self.step)} ({show(self.choice)[1:-1]})" if self.choice else show(self.step)

    def arguments(self) -> Iterator[tuple[Path, Any]]:
        """Place and value of every argument."""
        yield from self.positional
        for _, path, value in self.keyword:
            yield path, value


class Scope:
    """The sections of one description."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self.description = description
        self.types: Mapping[Any, Any] = description.get("types", {})
        self.parameters: Mapping[Any, Any] = description.get("parameters", {})
        self.graph: Mapping[Any, Any] = description["graph"]
        self.artifact_outputs: Mapping[Any, Any] = description.get("artifact_outputs", {})
        self.tasks = {name: _read_task(name, task) for name, task in description["tasks"].items()}
        self.artifact_inputs = {
            name: read_outputs(outputs, ("artifact_inputs", name))
            for name, outputs in description.get("artifact_inputs", {}).items()
        }
        self.suggest = Suggestions()
        self.comparer = Comparer()
        self._described: dict[Type, str] = {}
        self._outputs: dict[tuple[Any, Any], Mapping[str, str]] = {}

    @cached_property
    def variants(self) -> list[tuple[Any, Alternative]]:
        """Every step with each of its alternatives."""
        return [
            (step, alternative)
            for step, definition in self.graph.items()
            for alternative in alternatives(definition)
        ]

    @cached_property
    def calls(self) -> list[Call]:
        """What steps call, where they name one task."""
        read = (read_call(step, alternative) for step, alternative in self.variants)
        return [call for call in read if call is not None]

    @property
    def known_calls(self) -> list[Call]:
        """The calls that can be compared with their tasks."""
        return self.calls

    @cached_property
    def outcomes(self) -> dict[Any, list[Call]]:
        """For each step, a call for every different outcome; several where a swap is open."""
        found: dict[Any, dict[tuple[Any, Any], Call]] = {}
        for call in self.calls:
            found.setdefault(call.step, {}).setdefault((call.task, call.outputs), call)
        return {step: list(calls.values()) for step, calls in found.items()}

    def outputs_of(self, call: Call) -> Mapping[str, str]:
        """The types of the outputs of a call, by the names that other steps know them by."""
        key = (call.task, call.outputs)
        found = self._outputs.get(key)
        if found is None:
            outputs = self.tasks[call.task].outputs
            names = [each.name for each in outputs] if call.outputs is None else call.outputs
            types = (output.type for output in outputs)
            found = self._outputs[key] = _first_of_each(zip(names, types, strict=False))
        return found

    @cached_property
    def artifact_types(self) -> dict[Any, Mapping[str, str]]:
        """The types of the outputs of each artifact input, by name; the first of a name counts."""
        return {
            name: _first_of_each((output.name, output.type) for output in outputs)
            for name, outputs in self.artifact_inputs.items()
        }

    @cached_property
    def built_types(self) -> dict[str, Type]:
        """The types by name; raises TypeDefinitionError."""
        return build_types(self.types)

    def describe(self, described: Type) -> str:
        """A type in a message: short."""
        found = self._described.get(described)
        if found is None:
            found = self._described[described] = show(str(described)).strip('"')
        return found

    @property
    def type_names(self) -> Iterator[Any]:
        """The names of all types that may be used."""
        yield from BUILTIN_TYPES
        yield from self.types

    def knows_type(self, name: Any) -> bool:
        """Whether a type of this name may be used."""
        return name in BUILTIN_TYPES or name in self.types

    def knows_task(self, name: Any) -> bool:
        """Whether there is a task of this name."""
        return name in self.tasks

    def knows_step(self, name: Any) -> bool:
        """Whether there is a step of this name."""
        return name in self.graph

    def is_obscure(self, reference: Reference) -> bool:
        """Whether nobody can tell what a reference refers to."""
        return False

    def clear_arguments(self, call: Call) -> tuple[Positional, Keyword]:
        """The arguments of a known call of which it is clear where they go."""
        return call.positional, call.keyword

    def has_type(self, value: Any) -> bool:
        """Whether everything that a value refers to has a type."""
        return True


def _first_of_each(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, declared in pairs:
        found.setdefault(name, declared)
    return found


def read_outputs(outputs: Any, path: Path) -> tuple[Output, ...]:
    """One output or a list of them."""
    entries = [(path, outputs)]
    if isinstance(outputs, list | tuple):
        entries = [((*path, index), output) for index, output in enumerate(outputs)]
    return tuple(
        Output(name=name, type=declared, path=(*place, name))
        for place, output in entries
        for name, declared in output.items()
    )


def read_call(step: Any, alternative: Alternative) -> Call | None:
    """The call of a step; None when it does not name exactly one task."""
    definition = alternative.definition
    path: Path = ("graph", step, *alternative.path)
    dependencies = definition.get("dependencies", ())
    if "task" in definition:
        task = definition["task"]
        positional = (
            _positional(definition["args"], (*path, "args")) if "args" in definition else ()
        )
        keyword = _keyword(definition.get("kwargs", {}), (*path, "kwargs"))
    else:
        if len(definition) - ("dependencies" in definition) != 1:
            return None
        task = task_key(definition)
        value = definition[task]
        positional, keyword = (), ()
        if isinstance(value, Mapping):
            keyword = _keyword(value, (*path, task))
        else:
            positional = _positional(value, (*path, task))
    return Call(
        step=step,
        choice="" if alternative.alias is None else f"{alternative.swap}={alternative.alias}",
        task=task,
        is_mixed="task" in definition,
        positional=positional,
        keyword=keyword,
        dependencies=(dependencies,) if isinstance(dependencies, str) else tuple(dependencies),
        path=path,
        outputs=alternative.outputs,
    )


def _read_task(name: Any, task: Mapping[str, Any]) -> Task:
    path: Path = ("tasks", name)
    inputs = task.get("inputs", ())
    return Task(
        name=name,
        plugin=task["plugin"],
        inputs=tuple(_read_input(each, (*path, "inputs", i)) for i, each in enumerate(inputs)),
        outputs=read_outputs(task.get("outputs", ()), (*path, "outputs")),
    )


def _read_input(definition: Mapping[str, Any], path: Path) -> Input:
    if "name" in definition:
        return Input(
            name=definition["name"],
            type=definition["type"],
            required=definition.get("required", True),
            path=(*path, "type"),
        )
    name, declared = next(iter(definition.items()))
    return Input(name=name, type=declared, required=True, path=(*path, name))


def _positional(value: Any, path: Path) -> Positional:
    if isinstance(value, list | tuple):
        return tuple(((*path, index), item) for index, item in enumerate(value))
    return ((path, value),)


def _keyword(value: Mapping[Any, Any], path: Path) -> Keyword:
    return tuple((name, (*path, name), item) for name, item in value.items())
