"""The rules for a description that has errors, applied to whatever part of it is sound.

Dioptra stops at the first kind of problem that could make others meaningless, so that a writer
meets them one run after another. Here each rule skips what a reported problem leaves unclear,
see `SoundScope`, and none waits for another one to find nothing.
"""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from typing import Any, Final

from dioptra_ray.language.graph import find_references
from dioptra_ray.language.validation import calls, names, references, swaps, tasks, typing
from dioptra_ray.language.validation.findings import Finding
from dioptra_ray.language.validation.rules import MAX_FINDINGS
from dioptra_ray.language.validation.sound import SoundScope

MAX_CYCLES: Final = 100
"""How many cycles are told, and of large graphs fewer: finding each is a look at all steps."""

_MOST_LOOKS: Final = 200_000


def apply_thoroughly(scope: SoundScope) -> Iterator[Finding]:
    """Everything that the rules find on sound parts, in the order of Dioptra's rules."""
    for rule in _RULES:
        yield from islice(rule(scope), MAX_FINDINGS)


def steps_have_no_cycles(scope: SoundScope) -> Iterator[Finding]:
    """No step waits for itself; each cycle is told by itself."""
    waits: dict[Any, set[Any]] = {step: set() for step in scope.graph}
    for call in scope.calls:
        if call.step in waits:
            found = find_references([value for _, value in call.arguments()])
            steps = [one.name for one in found if references.is_to_step(scope, one)]
            waits[call.step].update(name for name in (*steps, *call.dependencies) if name in waits)
    for _ in range(max(1, min(MAX_CYCLES, _MOST_LOOKS // max(1, len(waits))))):
        try:
            TopologicalSorter(waits).prepare()
        except CycleError as error:
            # graphlib lists each step before the one that waits for it, the first one twice.
            cycle = tuple(reversed(error.args[1]))
            yield references.cycle(cycle)
            waits = {
                step: before.difference(cycle)
                for step, before in waits.items()
                if step not in cycle
            }
        else:
            return


def types_can_be_built(scope: SoundScope) -> Iterator[Finding]:
    """Every definition makes a type, once those that it mentions do."""
    for error in scope.type_errors:
        yield Finding(code=error.code, message=error.message, path=("types", error.type_name))


_RULES: Final = (
    names.names_are_text,
    names.names_have_no_dot,
    tasks.inputs_and_outputs_differ,
    tasks.input_and_output_types_exist,
    tasks.plugins_are_dotted,
    calls.steps_name_a_task,
    names.parameters_and_steps_differ,
    calls.tasks_exist,
    calls.arguments_fit_inputs,
    swaps.outputs_match,
    references.step_references_resolve,
    references.dependencies_exist,
    references.artifact_references_resolve,
    steps_have_no_cycles,
    names.references_are_unambiguous,
    typing.parameter_types_exist,
    typing.artifact_input_types_exist,
    typing.definitions_name_types,
    types_can_be_built,
    typing.defaults_fit,
    typing.arguments_fit,
    typing.unions_have_no_duplicates,
)
