"""Choosing the alternatives of swaps: from a description with swaps to one without.

A pure step before a description is planned or run. The result is an ordinary description,
and knows where its parts were written, as the one that it was made of does.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.language.alternatives import (
    Alternative,
    aliases_of,
    alternatives,
    swap_key,
)
from dioptra_ray.language.graph import task_key
from dioptra_ray.language.positions import PositionedMapping, Spot
from dioptra_ray.language.suggestions import did_you_mean
from dioptra_ray.language.validation.findings import Finding, listing, show
from dioptra_ray.language.validation.placing import to_issue
from dioptra_ray.language.validation.schema import check_step
from dioptra_ray.language.validation.scope import read_outputs
from dioptra_ray.language.validation.swaps import check_swaps


def swap_choices(description: Any) -> dict[str, tuple[str, ...]]:
    """What may be chosen: the aliases of each swap, by its name; never raises."""
    choices: dict[str, tuple[str, ...]] = {}
    for _, key, swap in _swaps(description):
        if isinstance(swap, Mapping):
            choices[key[1:]] = aliases_of(swap)
    return choices


def render(description: Mapping[str, Any], choices: Mapping[str, str]) -> Mapping[str, Any]:
    """The description with the chosen alternative in the place of each swap.

    A step keeps its own dependencies, before those of the alternative. Where `?outputs` gives
    other names than the task does, the step calls a copy of the task with those names; see
    `renamed_tasks`. Without swaps and choices the description itself is returned.

    Args:
        description: As `load` gives it; only its swaps need to be well-formed.
        choices: An alias for every swap, by the swap's name.

    Raises:
        InvalidDescriptionError: A swap is malformed, a choice is missing, or names no swap or
            no alternative; `issues` has all of these.
    """
    if not choices and not any(True for _ in _swaps(description)):
        return description
    findings = [*check_swaps(_graph(description), check_step)]
    findings = findings or [*_check_choices(description, choices)]
    if findings:
        issues = [to_issue(finding, description) for finding in findings]
        raise InvalidDescriptionError(
            f"The swaps have {len(issues)} problem(s); the first: {issues[0].message}", issues
        )
    chosen = dict(_chosen(description, choices))
    graph, tasks = dict(_graph(description)), dict(_tasks(description))
    for step, (alternative, task) in chosen.items():
        called = _called(alternative)
        graph[step] = alternative.definition
        if task is not None:
            tasks[task] = _renamed(tasks[called], alternative.outputs or ())
            graph[step] = _calling(alternative.definition, called, task)
    rendered = {**description, "graph": graph}
    if "tasks" in description:
        rendered["tasks"] = tasks
    if not isinstance(description, PositionedMapping):
        return rendered
    return PositionedMapping(
        rendered, locate=lambda: _locate(description, chosen), file=description.file
    )


def renamed_tasks(description: Mapping[str, Any], choices: Mapping[str, str]) -> dict[str, str]:
    """The tasks that `render` makes because of `?outputs`, each with the one it is a copy of.

    What is known of tasks by name, such as what they need to run, is also true of the copies.
    """
    return {
        task: _called(alternative)
        for alternative, task in dict(_chosen(description, choices)).values()
        if task is not None
    }


def _swaps(description: Any) -> Iterator[tuple[Any, str, Any]]:
    for step, definition in _graph(description).items():
        key = swap_key(definition)
        if key is not None:
            yield step, key, definition[key]


def _graph(description: Any) -> Mapping[Any, Any]:
    graph = description.get("graph") if isinstance(description, Mapping) else None
    return graph if isinstance(graph, Mapping) else {}


def _tasks(description: Mapping[str, Any]) -> Mapping[Any, Any]:
    tasks = description.get("tasks")
    return tasks if isinstance(tasks, Mapping) else {}


def _check_choices(description: Mapping[str, Any], choices: Mapping[str, str]) -> Iterator[Finding]:
    known = swap_choices(description)
    for step, key, swap in _swaps(description):
        path, name, aliases = ("graph", step, key), key[1:], aliases_of(swap)
        if name not in choices:
            message = f"The swap {show(name)} needs a choice: {listing(aliases)}."
            yield Finding(code="swap.missing_choice", message=message, path=path, at_key=True)
        elif choices[name] not in aliases:
            message = (
                f"The swap {show(name)} has no alternative {show(choices[name])}."
                f"{did_you_mean(choices[name], aliases)} It has {listing(aliases)}."
            )
            yield Finding(code="swap.unknown_choice", message=message, path=path, at_key=True)
    for name in choices:
        if name not in known:
            has = f"it has {listing(known)}" if known else "it has no swaps"
            message = (
                f"The choice {show(name)} belongs to no swap of this graph; {has}."
                f"{did_you_mean(name, known)}"
            )
            yield Finding(code="swap.unused_choice", message=message, path=("graph",), at_key=True)


def _chosen(
    description: Mapping[str, Any], choices: Mapping[str, str]
) -> Iterator[tuple[Any, tuple[Alternative, str | None]]]:
    """The alternative of each step with a swap, and the name of the task made for it."""
    tasks = dict(_tasks(description))
    for step, key, _ in _swaps(description):
        step_definition = _graph(description)[step]
        alias = choices[key[1:]]
        alternative = next(one for one in alternatives(step_definition) if one.alias == alias)
        name = None
        if _needs_renaming(alternative, tasks):
            name = f"{_called(alternative)} ({step})"
            while name in tasks:
                name += "'"
            tasks[name] = {}
        yield step, (alternative, name)


def _called(alternative: Alternative) -> Any:
    """The task of an alternative; None when it names none, which validation reports."""
    definition = alternative.definition
    return definition["task"] if "task" in definition else task_key(definition)


def _needs_renaming(alternative: Alternative, tasks: Mapping[Any, Any]) -> bool:
    """Whether `?outputs` says something else than the task; what is wrong is left alone."""
    task = tasks.get(_called(alternative))
    if alternative.outputs is None or not isinstance(task, Mapping):
        return False
    try:
        names = tuple(output.name for output in read_outputs(task.get("outputs", ()), ()))
    except (AttributeError, TypeError):
        return False
    return names != alternative.outputs and len(names) == len(alternative.outputs)


def _renamed(task: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The task, with other names for its outputs."""
    outputs = task["outputs"]
    types = [output.type for output in read_outputs(outputs, ())]
    renamed = [{name: declared} for name, declared in zip(names, types, strict=True)]
    # A single output that is not in a list takes the value whole, so that must stay as it is.
    return {**task, "outputs": renamed if isinstance(outputs, list | tuple) else renamed[0]}


def _calling(definition: Mapping[Any, Any], task: Any, other: str) -> dict[Any, Any]:
    """The invocation, but of another task."""
    if "task" in definition:
        return {**definition, "task": other}
    return {other if key == task else key: value for key, value in definition.items()}


def _locate(
    description: PositionedMapping, chosen: Mapping[Any, tuple[Alternative, str | None]]
) -> Spot | None:
    spot = description.spot
    if spot is None or "graph" not in spot.parts:
        return spot
    start, graph = spot.parts["graph"]
    rendered = Spot(graph.position)
    rendered.parts = {
        step: _locate_step(place, *chosen[step]) if step in chosen else place
        for step, place in graph.parts.items()
    }
    root = Spot(spot.position)
    root.parts = {**spot.parts, "graph": (start, rendered)}
    return root


_Placed = tuple[tuple[int, int], Spot]


def _locate_step(place: _Placed, alternative: Alternative, task: str | None) -> _Placed:
    start, step = place
    inner = step
    for part in alternative.path:
        if part not in inner.parts:
            return place
        inner = inner.parts[part][1]
    spot = Spot(inner.position)
    spot.parts = {**inner.parts}
    if "dependencies" in step.parts:
        spot.parts["dependencies"] = step.parts["dependencies"]
    called = _called(alternative)
    if task is not None and called in spot.parts:
        spot.parts[task] = spot.parts[called]
    return start, spot
