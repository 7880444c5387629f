"""Reading a task graph: invocations, references, edges between steps, and their order.

The engine, the planner and the validation all read graphs through this module, so that
they can never disagree on what a step calls or what it waits for. Everything here assumes
a valid description unless a function says otherwise. A step with a swap waits for whatever
any of its alternatives waits for, so an order holds for all choices.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.language.alternatives import alternatives, swap_key


class StepReferenceCycleError(InvalidRequestError):
    """Steps wait for each other in a circle."""

    reason = "STEP_REFERENCE_CYCLE"

    def __init__(self, message: str, *, steps: tuple[str, ...] = ()) -> None:
        super().__init__(message, steps=" -> ".join(map(str, steps)))
        self.steps = steps


class StepNotFoundError(InvalidRequestError):
    """A step depends on a step that does not exist."""

    reason = "STEP_NOT_FOUND"

    def __init__(self, message: str, *, step: str, missing: str) -> None:
        super().__init__(message, step=str(step), missing=str(missing))
        self.step = step
        self.missing = missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What a step calls, and with what.

    Attributes:
        task: Name of the task in the description's `tasks`.
        args: Positional arguments as written, references not resolved.
        kwargs: Keyword arguments as written.
        dependencies: Steps that must run before, as written.
    """

    task: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`$name` or `$name.output`; `output` is None without a dot."""

    name: str
    output: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLinks:
    """The steps that one step waits for, each once, in the order of first mention.

    Attributes:
        data: Steps whose outputs it uses.
        order_only: Steps that it merely comes after; none of `data`.
    """

    data: tuple[str, ...] = ()
    order_only: tuple[str, ...] = ()


def task_key(step: Mapping[Any, Any]) -> Any | None:
    """The key that names the task in a short-form step; None when there is none.

    The key itself may be None: YAML has null keys, and tasks of that name are reported later.
    """
    return next((key for key in step if key != "dependencies"), None)


def read_invocation(step: Mapping[str, Any]) -> Invocation:
    """Read a step in any of the three styles; a swap must have been chosen before."""
    if (key := swap_key(step)) is not None:
        raise InvalidRequestError(
            f"The swap {key[1:]!r} is open: choose one of {', '.join(map(str, step[key]))}."
        )
    dependencies = _as_tuple(step.get("dependencies", ()))
    if "task" in step:
        return Invocation(
            task=step["task"],
            args=_as_tuple(step["args"]) if "args" in step else (),
            kwargs=step.get("kwargs", {}),
            dependencies=dependencies,
        )
    task: Any = task_key(step)
    if task not in step:
        raise InvalidRequestError("A step must name the task that it calls.")
    value = step[task]
    if isinstance(value, Mapping):
        return Invocation(task=task, kwargs=value, dependencies=dependencies)
    return Invocation(task=task, args=_as_tuple(value), dependencies=dependencies)


def parse_reference(text: str) -> Reference | None:
    """The reference that `text` is; None for plain text and for escapes."""
    if not text.startswith("$") or text == "$" or text.startswith("$$"):
        return None
    name, dot, output = text[1:].partition(".")
    return Reference(name=name, output=output if dot else None)


def unescape(text: str) -> str:
    """`"$$x"` stands for `"$x"`; all else stands for itself."""
    return text[1:] if text.startswith("$$") else text


def find_references(value: Any) -> Iterator[Reference]:
    """All references in `value`, at any depth, in the order they are written.

    Mapping keys are never references.
    """
    pending: list[Iterator[Any]] = [iter((value,))]
    while pending:
        item = next(pending[-1], _END)
        if item is _END:
            pending.pop()
        elif isinstance(item, str):
            if reference := parse_reference(item):
                yield reference
        elif isinstance(item, Mapping):
            pending.append(iter(item.values()))
        elif isinstance(item, list | tuple):
            pending.append(iter(item))
        elif isinstance(item, set | frozenset):
            pending.append(iter(sorted(item, key=repr)))


def links(description: Mapping[str, Any]) -> dict[str, StepLinks]:
    """What each step waits for, in declaration order."""
    return {step: _step_links(mentions) for step, mentions in _mentions(description).items()}


def execution_order(description: Mapping[str, Any]) -> list[str]:
    """The order in which Dioptra runs the steps: level by level, ties by first mention.

    Raises:
        StepNotFoundError: A step depends on one that does not exist.
        StepReferenceCycleError: Steps wait for each other.
    """
    mentions = _mentions(description)
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for step, predecessors in mentions.items():
        for name, _ in predecessors:
            if name not in mentions:
                raise StepNotFoundError(
                    f"Step {step!r} depends on {name!r}, which is not a step of this graph.",
                    step=step,
                    missing=name,
                )
        sorter.add(step, *(name for name, _ in predecessors))
    try:
        return list(sorter.static_order())
    except CycleError as error:
        # graphlib lists each step before the one that waits for it, the first one twice.
        cycle = tuple(reversed(error.args[1]))
        raise StepReferenceCycleError(
            "These steps wait for each other: " + " -> ".join(map(str, cycle)) + ".", steps=cycle
        ) from None


_END = object()


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _mentions(description: Mapping[str, Any]) -> dict[str, list[tuple[str, bool]]]:
    """For each step, the steps it mentions; the flag says whether by a reference."""
    graph = description["graph"]
    parameters = description.get("parameters", {})
    mentions: dict[str, list[tuple[str, bool]]] = {}
    for step, definition in graph.items():
        found = mentions[step] = []
        for alternative in alternatives(definition):
            invocation = read_invocation(alternative.definition)
            found.extend(
                (reference.name, True)
                for reference in find_references((invocation.args, invocation.kwargs))
                if reference.name in graph
                and (reference.output is not None or reference.name not in parameters)
            )
            found.extend((name, False) for name in invocation.dependencies)
    return mentions


def _step_links(mentions: Iterable[tuple[str, bool]]) -> StepLinks:
    mentions = tuple(mentions)
    data = dict.fromkeys(name for name, by_reference in mentions if by_reference)
    order_only = dict.fromkeys(
        name for name, by_reference in mentions if not by_reference and name not in data
    )
    return StepLinks(data=tuple(data), order_only=tuple(order_only))
