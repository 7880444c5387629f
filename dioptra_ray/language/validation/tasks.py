"""Tasks: their plugin, and the names and types of what goes in and out."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from dioptra_ray.language.validation.findings import Finding, listing, show
from dioptra_ray.language.validation.scope import Scope


def inputs_and_outputs_differ(scope: Scope) -> Iterator[Finding]:
    """No two inputs of a task, and no two outputs, share a name."""
    for task in scope.tasks.values():
        for kind, names in (
            ("input", [each.name for each in task.inputs]),
            ("output", [each.name for each in task.outputs]),
        ):
            repeated = _repeated(names)
            if repeated:
                yield Finding(
                    code=f"task.duplicate_{kind}",
                    message=(
                        f"Task {show(task.name)} has {kind} {listing(repeated)} more than once."
                    ),
                    path=("tasks", task.name, f"{kind}s"),
                )


def input_and_output_types_exist(scope: Scope) -> Iterator[Finding]:
    """Every type that a task names is defined, whether the task is used or not."""
    for task in scope.tasks.values():
        for kind, parts in (("input", task.inputs), ("output", task.outputs)):
            for part in parts:
                if not scope.knows_type(part.type):
                    yield Finding(
                        code=f"task.{kind}_undefined_type",
                        message=(
                            f"The {kind} {show(part.name)} of task {show(task.name)} has an "
                            f"unknown type, {show(part.type)}."
                            f"{scope.suggest(part.type, scope.type_names)}"
                        ),
                        path=part.path,
                    )


def plugins_are_dotted(scope: Scope) -> Iterator[Finding]:
    """A plugin id has at least a module and a function."""
    for task in scope.tasks.values():
        path = ("tasks", task.name, "plugin")
        if "." not in task.plugin:
            yield Finding(
                code="task.plugin_without_dot",
                message=(
                    f"The plugin {show(task.plugin)} of task {show(task.name)} has no dot; "
                    "write plugin.module.function."
                ),
                path=path,
            )
        elif not all(task.plugin.split(".")):
            yield Finding(
                code="task.plugin_empty_component",
                message=(
                    f"The plugin {show(task.plugin)} of task {show(task.name)} has an empty "
                    "part between dots."
                ),
                path=path,
            )


def _repeated(names: Iterable[Any]) -> list[Any]:
    return [name for name, times in Counter(names).items() if times > 1]
