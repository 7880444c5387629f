"""A description with swaps is valid exactly when it is with every choice."""

import copy
import itertools
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.language import validate
from dioptra_ray.language.graph import execution_order, links
from dioptra_ray.language.swaps import renamed_tasks, render, swap_choices

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

TYPES = {"A": None, "B": None, "E": {"union": [{"tuple": ["A"]}, {"tuple": ["B"]}]}}
TASKS: dict[str, Any] = {
    "a": {"plugin": "m.f", "outputs": {"o": "A"}},
    "b": {"plugin": "m.f", "outputs": {"o": "B"}},
    "two": {"plugin": "m.f", "outputs": [{"o": "A"}, {"p": "B"}]},
    "none": {"plugin": "m.f"},
    "takes_a": {"plugin": "m.f", "inputs": [{"x": "A"}], "outputs": {"q": "A"}},
    "takes_e": {"plugin": "m.f", "inputs": [{"x": "E"}], "outputs": {"o": "A"}},
    "takes_any": {
        "plugin": "m.f",
        "inputs": [{"x": "any"}, {"name": "y", "type": "A", "required": False}],
        "outputs": {"o": "B"},
    },
}
STEPS = ["s1", "s2", "s3", "s4"]
REFERENCE = st.builds(
    lambda step, output: f"${step}{output}",
    st.sampled_from(STEPS),
    st.sampled_from(["", ".o", ".q", ".p", ".r"]),
)
ARGUMENT = REFERENCE | REFERENCE.map(lambda reference: [reference])
PLAIN = st.builds(lambda task: {task: []}, st.sampled_from(["a", "b", "two", "none"]))
TAKING = st.builds(
    lambda task, argument: {task: [argument]},
    st.sampled_from(["takes_a", "takes_e", "takes_any"]),
    ARGUMENT,
) | st.builds(lambda x, y: {"takes_any": {"x": x, "y": y}}, ARGUMENT, REFERENCE)
INVOCATION = st.one_of(
    PLAIN,
    TAKING,
    st.builds(
        lambda step, after: {**step, "dependencies": after}, PLAIN, st.sampled_from([*STEPS, "s5"])
    ),
)
SWAP = st.dictionaries(st.sampled_from(["x", "y", "z"]), INVOCATION, min_size=1) | st.builds(
    lambda names, swap: {"?outputs": names, **swap},
    st.sampled_from([[], ["o"], ["r"], ["o", "r"]]),
    st.dictionaries(st.sampled_from(["x", "y"]), INVOCATION, min_size=1),
)


@st.composite
def descriptions(draw: st.DrawFn) -> dict[str, Any]:
    graph = {}
    for step in STEPS[: draw(st.integers(1, 4))]:
        if draw(st.booleans()):
            graph[step] = {f"?{step}": draw(SWAP)}
        else:
            graph[step] = draw(INVOCATION)
    return {"types": TYPES, "tasks": TASKS, "graph": graph}


def is_valid(description: Any) -> bool:
    return all(issue.severity != "error" for issue in validate(description))


def renderings(description: dict[str, Any]) -> list[Any]:
    choices = swap_choices(description)
    return [
        (chosen, render(description, chosen))
        for aliases in itertools.product(*choices.values())
        for chosen in [dict(zip(choices, aliases, strict=True))]
    ]


@settings(SLOW, max_examples=100)
@given(descriptions())
def test_valid_with_swaps_is_valid_with_every_choice(description):
    before = copy.deepcopy(description)
    try:
        rendered = renderings(description)
    except InvalidDescriptionError:
        assert not is_valid(description)
        return
    assert description == before
    counts = {
        len(names)
        for step in description["graph"].values()
        for key, swap in step.items()
        if key.startswith("?") and "?outputs" in swap
        for names in [swap["?outputs"]]
    }
    if counts and not is_valid(description):
        # A wrong number of outputs is refused for every choice, also for those without it.
        return
    assert is_valid(description) == all(is_valid(one) for _, one in rendered)


@settings(SLOW, max_examples=60)
@given(descriptions())
def test_what_holds_before_the_choice_holds_after_it(description):
    if not is_valid(description):
        return
    order = execution_order(description)
    for chosen, one in renderings(description):
        assert swap_choices(one) == {}
        assert render(one, {}) is one
        for step, found in links(one).items():
            assert all(order.index(before) < order.index(step) for before in found.data)
            assert all(order.index(before) < order.index(step) for before in found.order_only)
        copies = renamed_tasks(description, chosen)
        assert one["tasks"].keys() == description["tasks"].keys() | copies.keys()


@SLOW
@given(descriptions(), st.dictionaries(st.sampled_from(STEPS), st.sampled_from(["x", "y", "q"])))
def test_choices_are_accepted_or_refused_with_reasons(description, choices):
    known = swap_choices(description)
    expected = choices.keys() == known.keys() and all(choices[n] in known[n] for n in known)
    try:
        render(description, choices)
    except InvalidDescriptionError as error:
        codes = {issue.code for issue in error.issues}
    else:
        codes = set()
    assert (codes == set()) == expected
    assert all(code.startswith("swap.") for code in codes)
