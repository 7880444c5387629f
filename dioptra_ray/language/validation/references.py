"""References: what `$name` and `$name.output` point to, and that steps can be put in order."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from dioptra_ray.language.graph import (
    Reference,
    StepReferenceCycleError,
    execution_order,
    parse_reference,
)
from dioptra_ray.language.paths import Path
from dioptra_ray.language.validation.findings import Finding, listing, show
from dioptra_ray.language.validation.scope import Scope

_Problem = tuple[str, str]


def references_of(scope: Scope) -> Iterator[tuple[Path, Reference]]:
    """Every reference of the description and its place: those of steps, then of artifacts."""
    for _, path, reference in _step_references(scope):
        yield path, reference
    for _, path, reference in _artifact_references(scope):
        yield path, reference


def step_references_resolve(scope: Scope) -> Iterator[Finding]:
    """What the arguments of steps refer to exists."""
    for step, path, reference in _step_references(scope):
        problem = find_problem(scope, reference)
        if problem is not None:
            kind, message = problem
            yield Finding(code=f"ref.{kind}@step", message=f"In step {step}, {message}", path=path)


def artifact_references_resolve(scope: Scope) -> Iterator[Finding]:
    """What artifact outputs hold exists."""
    for name, path, reference in _artifact_references(scope):
        problem = find_problem(scope, reference)
        if problem is not None:
            kind, message = problem
            yield Finding(
                code=f"ref.{kind}@artifact_output",
                message=f"In artifact output {show(name)}, {message}",
                path=path,
            )


def dependencies_exist(scope: Scope) -> Iterator[Finding]:
    """`dependencies` names steps."""
    for call in scope.calls:
        unknown = [name for name in call.dependencies if not scope.knows_step(name)]
        if not unknown:
            continue
        hint = scope.suggest(unknown[0], scope.graph)
        if unknown[0].startswith("$"):
            hint = " Dependencies are names of steps, without $."
        elif unknown[0] in scope.tasks:
            hint = " That is a task; dependencies are steps."
        yield Finding(
            code="step.unknown_dependency",
            message=f"Step {call.shown} depends on no step: {listing(unknown)}.{hint}",
            path=(*call.path, "dependencies"),
        )


def steps_have_an_order(scope: Scope) -> Iterator[Finding]:
    """No step waits for itself."""
    try:
        execution_order(scope.description)
    except StepReferenceCycleError as error:
        yield cycle(error.steps)


def cycle(steps: Sequence[Any]) -> Finding:
    """The finding that each of these steps waits for the next one."""
    return Finding(
        code="step.cycle",
        message=f"These steps wait for each other: {' -> '.join(map(str, steps))}.",
        path=("graph", steps[0]),
        at_key=True,
    )


def is_to_step(scope: Scope, reference: Reference) -> bool:
    """Whether a step waits for another one because of a reference."""
    hidden = reference.output is None and reference.name in scope.parameters
    return reference.name in scope.graph and not hidden


def _step_references(scope: Scope) -> Iterator[tuple[str, Path, Reference]]:
    for call in scope.calls:
        for place, value in call.arguments():
            for path, reference in _find_placed(place, value):
                yield call.shown, path, reference


def _artifact_references(scope: Scope) -> Iterator[tuple[Any, Path, Reference]]:
    for name, output in scope.artifact_outputs.items():
        reference = parse_reference(output["contents"])
        if reference is not None:
            yield name, ("artifact_outputs", name, "contents"), reference


def _find_placed(path: Path, value: Any) -> Iterator[tuple[Path, Reference]]:
    """As `graph.find_references`, with places."""
    if isinstance(value, str):
        reference = parse_reference(value)
        if reference is not None:
            yield path, reference
        return
    entries: Iterator[tuple[Any, Any]]
    if isinstance(value, Mapping):
        entries = iter(value.items())
    elif isinstance(value, list | tuple):
        entries = iter(enumerate(value))
    elif isinstance(value, set | frozenset):
        entries = ((item, item) for item in sorted(value, key=repr))
    else:
        return
    for key, item in entries:
        yield from _find_placed((*path, key), item)


def find_problem(scope: Scope, reference: Reference) -> _Problem | None:
    """What is wrong with a reference; steps hide parameters, those hide artifact inputs."""
    name, output = reference.name, reference.output
    if scope.is_obscure(reference):
        return None
    if name in scope.graph:
        return _check_step(scope, reference)
    if name in scope.parameters:
        if output is None:
            return None
        return "parameter_with_output", (
            f'"${name}.{output}" asks for an output of a parameter; parameters have none, '
            f'write "${name}".'
        )
    if name in scope.artifact_inputs:
        return _check_artifact_output(scope, reference)
    return "unresolvable", _unresolvable(scope, reference)


def _check_step(scope: Scope, reference: Reference) -> _Problem | None:
    """A step must have the output whichever alternative is chosen."""
    for call in scope.outcomes.get(reference.name, ()):
        count = len(scope.tasks[call.task].outputs)
        problem = _check_step_output(scope, reference, scope.outputs_of(call), count)
        if problem is not None and call.choice:
            kind, message = problem
            return kind, f"with {call.choice}, {message}"
        if problem is not None:
            return problem
    return None


def _check_step_output(
    scope: Scope, reference: Reference, outputs: Collection[str], count: int
) -> _Problem | None:
    name = reference.name
    if reference.output is not None:
        return _check_output_name(scope, reference, outputs, "step")
    if not outputs:
        return "step_without_output", (
            f'"${name}" refers to a step whose task declares no outputs.'
        )
    if count > 1:
        return "step_output_name_needed", _name_needed(name, outputs, "step")
    return None


def _check_artifact_output(scope: Scope, reference: Reference) -> _Problem | None:
    name = reference.name
    outputs = scope.artifact_types[name]
    if reference.output is not None:
        return _check_output_name(scope, reference, outputs, "artifact")
    if not outputs:
        return "artifact_without_output", (
            f'"${name}" refers to an artifact input that declares no outputs.'
        )
    # Counted as they are written: their names may repeat.
    if len(scope.artifact_inputs[name]) > 1:
        return "artifact_output_name_needed", _name_needed(name, outputs, "artifact input")
    return None


def _check_output_name(
    scope: Scope, reference: Reference, outputs: Collection[str], kind: str
) -> _Problem | None:
    if reference.output in outputs:
        return None
    what = "step" if kind == "step" else "artifact input"
    known = f"it has {listing(outputs)}" if outputs else "it has none"
    return f"unknown_{kind}_output", (
        f"{what} {show(reference.name)} has no output {show(reference.output)}; {known}."
        f"{scope.suggest(reference.output, outputs)}"
    )


def _name_needed(name: str, outputs: Collection[str], what: str) -> str:
    names = listing(f"${name}.{output}" for output in outputs)
    return f'"${name}" refers to a {what} with several outputs; write one of {names}.'


def _unresolvable(scope: Scope, reference: Reference) -> str:
    candidates = [*scope.parameters, *scope.graph, *scope.artifact_inputs]
    hint = scope.suggest(reference.name, candidates)
    if not hint and reference.name in scope.tasks:
        hint = " That is a task; refer to the step that calls it."
    text = reference.name if reference.output is None else f"{reference.name}.{reference.output}"
    return (
        f'"${text}" refers to nothing: no step, parameter or artifact input is called '
        f"{show(reference.name)}.{hint}" + ("" if hint else f' If it is text, write "$${text}".')
    )
