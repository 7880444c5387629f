"""What a graph as written makes use of, told before it is known to be valid."""

from collections.abc import Iterator, Mapping
from typing import Any

from dioptra_ray.language.alternatives import aliases_of, swap_key
from dioptra_ray.language.graph import Reference, parse_reference, task_key
from dioptra_ray.project.model import FunctionTask, TaskInput


def called_tasks(description: Mapping[str, Any]) -> set[str]:
    """Names of the tasks that steps call."""
    return {task for task, _, _ in _calls(description)}


def written_with(description: Mapping[str, Any]) -> set[str]:
    """Names of the artifact tasks that artifact outputs name."""
    names = set()
    for output in _mapping(artifact_section(description)).values():
        name = _mapping(_mapping(output).get("task")).get("name")
        if isinstance(name, str):
            names.add(name)
    return names


def artifact_section(description: Mapping[str, Any]) -> Any:
    """Artifact outputs, under Dioptra's older name for them in files or its newer one."""
    key = artifact_key(description)
    return {} if key is None else description[key]


def artifact_key(description: Mapping[str, Any]) -> str | None:
    """The key that artifact outputs stand under; None without any."""
    return next((key for key in ("artifacts", "artifact_outputs") if key in description), None)


def passed_as(
    parameter: str, description: Mapping[str, Any], tasks: Mapping[str, FunctionTask]
) -> list[str]:
    """Types of the inputs that are given the whole parameter, each once, in graph order."""
    types: dict[str, None] = {}
    for name, args, kwargs in _calls(description):
        if name in tasks:
            for given, argument in _bind(tasks[name].inputs, args, kwargs):
                reference = parse_reference(argument) if isinstance(argument, str) else None
                if reference == Reference(name=parameter):
                    types[given.type] = None
    return list(types)


def _bind(
    inputs: tuple[TaskInput, ...], args: list[Any], kwargs: Mapping[Any, Any]
) -> Iterator[tuple[TaskInput, Any]]:
    yield from zip(inputs, args, strict=False)
    for given in inputs:
        if given.name in kwargs:
            yield given, kwargs[given.name]


def _calls(description: Mapping[str, Any]) -> Iterator[tuple[str, list[Any], Mapping[Any, Any]]]:
    for definition in _mapping(description.get("graph")).values():
        for step in _invocations(_mapping(definition)):
            if "task" in step:
                args = _listed(step["args"]) if "args" in step else []
                name, kwargs = step["task"], _mapping(step.get("kwargs"))
            else:
                name = task_key(step)
                value = step.get(name)
                kwargs = _mapping(value)
                args = [] if isinstance(value, Mapping) else _listed(value)
            if isinstance(name, str):
                yield name, args, kwargs


def _invocations(step: Mapping[Any, Any]) -> Iterator[Mapping[Any, Any]]:
    """The step itself, or all that its swap may make of it."""
    key = swap_key(step)
    if key is None:
        yield step
        return
    swap = _mapping(step[key])
    yield from (_mapping(swap[alias]) for alias in aliases_of(swap))


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
