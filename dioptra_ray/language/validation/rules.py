"""The rules, and which of them make sense only after which (semantics section 3)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from dioptra_ray.language.validation import calls, names, references, swaps, tasks, typing
from dioptra_ray.language.validation.findings import Finding
from dioptra_ray.language.validation.scope import Scope

MAX_FINDINGS: Final = 10_000
"""Of one rule: a short text can have any number of problems, and nobody reads them all."""

Check = Callable[[Scope], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A check and its preconditions.

    Attributes:
        check: Yields what it finds.
        after: Rules that must have run and found nothing.
    """

    check: Check
    after: tuple[Check, ...] = ()


_STEPS_CLEAN = (
    calls.tasks_exist,
    names.parameters_and_steps_differ,
    swaps.outputs_match,
)

STRUCTURE_RULES: tuple[Rule, ...] = (
    Rule(names.names_are_text),
    Rule(names.names_have_no_dot, after=(names.names_are_text,)),
    Rule(tasks.inputs_and_outputs_differ),
    Rule(tasks.input_and_output_types_exist),
    Rule(tasks.plugins_are_dotted),
    Rule(calls.steps_name_a_task),
    Rule(names.parameters_and_steps_differ),
    Rule(calls.tasks_exist, after=(calls.steps_name_a_task,)),
    Rule(calls.arguments_fit_inputs, after=(calls.tasks_exist,)),
    Rule(swaps.outputs_match, after=(calls.tasks_exist,)),
    Rule(references.step_references_resolve, after=_STEPS_CLEAN),
    Rule(references.dependencies_exist, after=_STEPS_CLEAN),
    Rule(references.artifact_references_resolve, after=_STEPS_CLEAN),
    Rule(
        references.steps_have_an_order,
        after=(references.step_references_resolve, references.dependencies_exist),
    ),
    Rule(names.references_are_unambiguous, after=_STEPS_CLEAN),
    Rule(typing.parameter_types_exist),
    Rule(typing.artifact_input_types_exist),
    Rule(typing.definitions_name_types),
    Rule(typing.definitions_have_an_order),
)
"""Names and what they point to."""

TYPE_RULES: tuple[Rule, ...] = (
    Rule(typing.types_can_be_built),
    Rule(typing.defaults_fit, after=(typing.types_can_be_built,)),
    Rule(typing.arguments_fit, after=(typing.defaults_fit,)),
    Rule(typing.unions_have_no_duplicates, after=(typing.types_can_be_built,)),
)
"""What values are; these rules trust every name, so they run when there is no error yet."""


def apply_rules(scope: Scope) -> Iterator[Finding]:
    """Everything that the rules find, in their order."""
    has_error = False
    for finding in _apply(STRUCTURE_RULES, scope):
        has_error = has_error or finding.severity == "error"
        yield finding
    if not has_error:
        yield from _apply(TYPE_RULES, scope)


def _apply(rules: tuple[Rule, ...], scope: Scope) -> Iterator[Finding]:
    clean: set[Check] = set()
    for rule in rules:
        if not clean.issuperset(rule.after):
            continue
        found = list(islice(rule.check(scope), MAX_FINDINGS))
        if not found:
            clean.add(rule.check)
        yield from found
