"""Steps: which task they call, and with which arguments."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import islice

from dioptra_ray.language.validation.findings import Finding, listing, show
from dioptra_ray.language.validation.scope import Call, Scope, Task, read_call


def steps_name_a_task(scope: Scope) -> Iterator[Finding]:
    """A step in short form has one key besides `dependencies`."""
    for step, alternative in scope.variants:
        if read_call(step, alternative) is None:
            keys = [key for key in alternative.definition if key != "dependencies"]
            yield Finding(
                code="step.no_task_key",
                message=(
                    f"Step {show(step)} must call one task, but has the keys {listing(keys)}; "
                    "write {task: ..., args: [...], kwargs: {...}} to give arguments both ways."
                ),
                path=("graph", step, *alternative.path),
            )


def tasks_exist(scope: Scope) -> Iterator[Finding]:
    """The task of every step is defined."""
    for call in scope.calls:
        if not scope.knows_task(call.task):
            yield Finding(
                code="step.unknown_task",
                message=(
                    f"Step {call.shown} calls {show(call.task)}, which is no task."
                    f"{_swap_hint(scope, call) or scope.suggest(call.task, scope.tasks)}"
                ),
                path=(*call.path, "task") if call.is_mixed else (*call.path, call.task),
                at_key=not call.is_mixed,
            )


def _swap_hint(scope: Scope, call: Call) -> str:
    """YAML takes the `?` of `{?name: ...}` for its own."""
    looks_alike = bool(call.keyword) and all(
        isinstance(value, Mapping) and any(key in scope.tasks for key in value)
        for _, _, value in call.keyword
    )
    if not looks_alike or not isinstance(call.task, str) or call.is_mixed:
        return ""
    return f' If it is a swap in braces, put its name in quotes: {{"?{call.task}": ...}}.'


def arguments_fit_inputs(scope: Scope) -> Iterator[Finding]:
    """Every argument has an input and every required input an argument."""
    for call in scope.known_calls:
        yield from check_call(scope, call)


def check_call(scope: Scope, call: Call) -> Iterator[Finding]:
    """What is wrong with the number and names of the arguments of one call."""
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
            f"Step {call.shown} gives {given} positional argument{'s' * (given != 1)} to "
            f"task {show(call.task)}, which has {taken} input{'s' * (taken != 1)}.{hint}"
        ),
        path=call.positional[taken][0],
    )


def _keywords(scope: Scope, call: Call, task: Task) -> Iterator[Finding]:
    for name, path, _ in call.keyword:
        rank = task.ranks.get(name)
        if rank is None:
            yield Finding(
                code="call.unknown_keyword",
                message=(
                    f"Step {call.shown} gives {show(name)}, which is no input of task "
                    f"{show(call.task)}.{scope.suggest(name, task.ranks)}"
                ),
                path=path,
                at_key=True,
            )
        elif rank < len(call.positional):
            yield Finding(
                code="call.assigned_twice",
                message=(
                    f"Step {call.shown} gives input {show(name)} of task "
                    f"{show(call.task)} twice: by position {rank + 1} and by name."
                ),
                path=path,
                at_key=True,
            )


def _missing(call: Call, task: Task) -> Iterator[Finding]:
    by_name = {name for name, _, _ in call.keyword}
    first = bisect_left(task.required, len(call.positional))
    for rank in islice(task.required, first, None):
        name = task.inputs[rank].name
        if name not in by_name:
            yield Finding(
                code="call.missing_required",
                message=(
                    f"Step {call.shown} does not give the input {show(name)} that "
                    f"task {show(call.task)} needs."
                ),
                path=call.path,
            )
