"""Thorough validation on descriptions that nobody thought of."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dioptra_ray.language import Issue, validate
from tests.property.language.test_language import DESCRIPTIONS, KNOWN, SLOW, VALUES

SECTIONS = ("types", "parameters", "tasks", "graph", "artifact_inputs", "artifact_outputs")
# What only follows from what: these are left out when the other is told.
CAUSES: dict[str, tuple[str, ...]] = {
    "type.not_found_in_sort": ("type.undefined_reference",),
    "type.cycle": ("type.cycle", "type.builtin_redefined"),
    "call.": ("task.duplicate_input",),
    "ref.": ("task.duplicate_output", "name."),
    "step.unknown_dependency": ("name.",),
}


def find(description: Any, *, thorough: bool = True) -> list[Issue]:
    return validate(description, KNOWN, thorough=thorough)


def is_valid(issues: list[Issue]) -> bool:
    return all(issue.severity != "error" for issue in issues)


def places(issues: list[Issue]) -> Counter[tuple[str, str]]:
    return Counter((issue.code, issue.path) for issue in issues)


@SLOW
@given(st.dictionaries(st.sampled_from(SECTIONS), VALUES) | VALUES)
def test_it_never_raises_and_keeps_the_verdict(value: Any) -> None:
    assert is_valid(find(value)) == is_valid(find(value, thorough=False))


@SLOW
@given(DESCRIPTIONS)
def test_it_tells_what_dioptra_tells_but_for_what_follows(description: dict[str, Any]) -> None:
    told, more = find(description, thorough=False), find(description)
    assert is_valid(told) == is_valid(more)
    causes = {issue.code for issue in told}
    for code, _ in places(told) - places(more):
        prefix = next((one for one in CAUSES if code.startswith(one)), None)
        assert prefix is not None, code
        assert any(cause.startswith(CAUSES[prefix]) for cause in causes), code


BROKEN: dict[str, tuple[str, dict[str, Any], tuple[str, str]]] = {
    "task": ("graph", {"zz": {"zz_task": []}}, ("step.unknown_task", "$.graph.zz.zz_task")),
    "shape": ("graph", {"zz": "zz"}, ("schema", "$.graph.zz")),
    "plugin": (
        "tasks",
        {"zz": {"plugin": "zzz"}},
        ("task.plugin_without_dot", "$.tasks.zz.plugin"),
    ),
    "type": ("types", {"Z": {"list": "zzzz"}}, ("type.undefined_reference", "$.types.Z")),
}


@pytest.mark.parametrize("what", BROKEN)
@SLOW
@given(description=DESCRIPTIONS)
def test_a_problem_elsewhere_hides_nothing_and_adds_nothing(
    what: str, description: dict[str, Any]
) -> None:
    section, entry, problem = BROKEN[what]
    both = {**description, section: {**description.get(section, {}), **entry}}
    assert places(find(both)) == places(find(description)) + Counter([problem])
