"""Steps: which task they call, and with which arguments."""

from collections.abc import Iterator

from dioptra_ray.language.validation.findings import Finding, listing, show
from dioptra_ray.language.validation.scope import Call, Scope, Task


def steps_name_a_task(scope: Scope) -> Iterator[Finding]:
    """A step in short form has one key besides `dependencies`."""
    for step, definition in scope.graph.items():
        if step not in scope.calls:
            keys = [key for key in definition if key != "dependencies"]
            yield Finding(
                code="step.no_task_key",
                message=(
                    f"Step {show(step)} must call one task, but has the keys {listing(keys)}; "
                    "write {task: ..., args: [...], kwargs: {...}} to give arguments both ways."
                ),
                path=("graph", step),
            )


def tasks_exist(scope: Scope) -> Iterator[Finding]:
    """The task of every step is defined."""
    for call in scope.calls.values():
        if call.task not in scope.tasks:
            mixed = "task" in scope.graph[call.step]
            yield Finding(
                code="step.unknown_task",
                message=(
                    f"Step {show(call.step)} calls {show(call.task)}, which is no task."
                    f"{scope.suggest(call.task, scope.tasks)}"
                ),
                path=(*call.path, "task") if mixed else (*call.path, call.task),
                at_key=not mixed,
            )


def arguments_fit_inputs(scope: Scope) -> Iterator[Finding]:
    """Every argument has an input and every required input an argument."""
    for call in scope.calls.values():
        task = scope.tasks[call.task]
        yield from _too_many(call, task)
        yield from _keywords(scope, call, task)
        yield from _missing(call, task)


def _too_many(call: Call, task: Task) -> Iterator[Finding]:
    given, taken = len(call.positional), len(task.inputs)
    if given <= taken:
        return
    hint = ""
    if given == 1 and call.positional[0][1] is None:
        hint = " To call a task without arguments write [] or {}."
    yield Finding(
        code="call.too_many_positional",
        message=(
            f"Step {show(call.step)} gives {given} positional argument{'s' * (given != 1)} to "
            f"task {show(call.task)}, which has {taken} input{'s' * (taken != 1)}.{hint}"
        ),
        path=call.positional[taken][0],
    )


def _keywords(scope: Scope, call: Call, task: Task) -> Iterator[Finding]:
    names = [each.name for each in task.inputs]
    by_position = dict.fromkeys(names[: len(call.positional)])
    known = frozenset(names)
    for name, path, _ in call.keyword:
        if name not in known:
            yield Finding(
                code="call.unknown_keyword",
                message=(
                    f"Step {show(call.step)} gives {show(name)}, which is no input of task "
                    f"{show(call.task)}.{scope.suggest(name, names)}"
                ),
                path=path,
                at_key=True,
            )
        elif name in by_position:
            yield Finding(
                code="call.assigned_twice",
                message=(
                    f"Step {show(call.step)} gives input {show(name)} of task "
                    f"{show(call.task)} twice: by position "
                    f"{names.index(name) + 1} and by name."
                ),
                path=path,
                at_key=True,
            )


def _missing(call: Call, task: Task) -> Iterator[Finding]:
    by_name = {name for name, _, _ in call.keyword}
    for each in task.inputs[len(call.positional) :]:
        if each.required and each.name not in by_name:
            yield Finding(
                code="call.missing_required",
                message=(
                    f"Step {show(call.step)} does not give the input {show(each.name)} that "
                    f"task {show(call.task)} needs."
                ),
                path=call.path,
            )
