"""Thorough validation: every problem at once, and nothing that only follows from another."""

from typing import Any

import pytest

from dioptra_ray.language import Issue, load, validate

FIVE = """\
parameters:
  eps: {type: number, default: 0.5}
tasks:
  load: {plugin: lab.data.load, inputs: [{path: string}], outputs: {data: any}}
  train: {plugin: lab.model.train, inputs: [{data: any}, {epochs: integer}], outputs: {model: any}}
  hit: {plugin: lab.attacks.hit, inputs: [{model: any}, {eps: number}], outputs: {score: number}}
graph:
  raw: {load: [digits]}
  cleaned: {wash: [$raw]}
  short: {train: [$cleaned]}
  wrong: {hit: {model: $raw, eps: much}}
  lost: {hit: [$nothing, $eps]}
  one: {hit: [$two, $eps]}
  two: {hit: [$one, $eps]}
  after: {hit: [$cleaned, $eps], dependencies: [short]}
"""


def thorough(description: Any) -> list[Issue]:
    return validate(description, thorough=True)


def codes(description: Any) -> list[str]:
    return [issue.code for issue in thorough(description)]


def test_all_problems_of_different_steps_are_told_at_once_with_their_places() -> None:
    issues = thorough(load(FIVE, file="five.yaml"))
    assert [(issue.code, issue.path, issue.line, issue.column) for issue in issues] == [
        ("step.unknown_task", "$.graph.cleaned.wash", 9, 13),
        ("call.missing_required", "$.graph.short", 10, 10),
        ("ref.unresolvable@step", "$.graph.lost.hit[0]", 12, 16),
        ("step.cycle", "$.graph.one", 13, 3),
        ("arg.keyword_mismatch", "$.graph.wrong.hit.eps", 11, 35),
    ]
    assert {issue.file for issue in issues} == {"five.yaml"}


def test_by_default_the_same_gates_as_dioptra_s_hide_what_comes_later() -> None:
    assert [issue.code for issue in validate(load(FIVE))] == ["step.unknown_task"]


def description(**sections: Any) -> dict[str, Any]:
    """A valid description with some sections replaced or added to."""
    base: dict[str, Any] = {
        "types": {"image": {"list": "number"}},
        "parameters": {"eps": {"type": "number"}},
        "tasks": {
            "load": {"plugin": "a.b.load", "outputs": {"data": "image"}},
            "pair": {"plugin": "a.b.pair", "outputs": [{"x": "image"}, {"y": "string"}]},
            "show": {"plugin": "a.b.show", "inputs": [{"data": "image"}]},
        },
        "graph": {"data": {"load": []}, "shown": {"show": ["$data"]}},
    }
    return base | {
        name: {**base.get(name, {}), **section} if isinstance(section, dict) else section
        for name, section in sections.items()
    }


def test_a_valid_description_stays_valid() -> None:
    assert codes(description()) == []


FOLLOWING: dict[str, tuple[dict[str, Any], list[str]]] = {
    "outputs of an unknown task": (
        {"graph": {"data": {"laod": []}, "other": {"show": ["$data.nothing"]}}},
        ["step.unknown_task"],
    ),
    "a step without a task": (
        {"graph": {"data": {"load": [], "pair": []}, "other": {"show": ["$data"]}}},
        ["step.no_task_key"],
    ),
    "a malformed step": ({"graph": {"data": "load"}}, ["schema"]),
    "a malformed task": ({"tasks": {"load": {"plugin": 1}}}, ["schema"]),
    "a malformed type": ({"types": {"image": {"list": 1}}}, ["schema"]),
    "a malformed parameter": (
        {"parameters": {"eps": {}}, "graph": {"more": {"show": ["$eps"]}}},
        ["schema"],
    ),
    "a graph that is no mapping": ({"graph": []}, ["schema"]),
    "tasks that are no mapping": ({"tasks": []}, ["schema"]),
    "an unknown type": (
        {"tasks": {"load": {"plugin": "a.b.load", "outputs": {"data": "imgae"}}}},
        ["task.output_undefined_type"],
    ),
    "a type of an unknown type": (
        {"types": {"image": {"list": "pixel"}}},
        ["type.undefined_reference"],
    ),
    "a type that cannot be built": (
        {"types": {"image": {"is_a": "row"}, "row": {"list": "any"}}},
        ["type.super_not_simple"],
    ),
    "types in a circle": (
        {"types": {"image": {"list": "row"}, "row": {"list": "image"}, "book": {"list": "row"}}},
        ["type.cycle"],
    ),
    "a built-in type that is defined again": (
        {"types": {"string": {"list": "any"}}},
        ["type.builtin_redefined"],
    ),
    "a name with a dot": (
        {
            "graph": {
                "a.b": {"load": []},
                "other": {"show": ["$a.b"]},
                "more": {"show": "$a.b.data"},
            }
        },
        ["name.step_has_dot"],
    ),
    "a name that YAML reads as a boolean": (
        {"graph": {True: {"load": []}, "other": {"show": ["$on"]}}},
        ["name.not_string"],
    ),
    "a name that is a number": (
        {
            "graph": {
                1: {"load": []},
                "other": {"show": ["$1"]},
                "last": {"show": ["$data"], "dependencies": ["1"]},
            }
        },
        ["name.not_string"],
    ),
    "a parameter and a step of one name": (
        {"parameters": {"data": {"default": "text"}}},
        ["name.collision"],
    ),
    "arguments of which one is missing": (
        {
            "tasks": {"mix": {"plugin": "a.b.mix", "inputs": [{"n": "number"}, {"i": "image"}]}},
            "graph": {"mixed": {"mix": ["$data"]}},
        },
        ["call.missing_required"],
    ),
    "an argument given twice": (
        {"graph": {"twice": {"task": "show", "args": ["$data"], "kwargs": {"data": "text"}}}},
        ["call.assigned_twice"],
    ),
    "an argument that refers to nothing": (
        {"graph": {"other": {"show": [["$dat", "text"]]}}},
        ["ref.unresolvable@step"],
    ),
    "outputs that share a name": (
        {
            "tasks": {"load": {"plugin": "a.b.load", "outputs": [{"d": "image"}, {"d": "image"}]}},
            "graph": {"other": {"show": ["$data.data"]}},
        },
        ["task.duplicate_output"],
    ),
    "inputs that share a name": (
        {"tasks": {"show": {"plugin": "a.b.show", "inputs": [{"data": "any"}, {"data": "any"}]}}},
        ["task.duplicate_input"],
    ),
    "a swap whose outputs do not match": (
        {
            "graph": {
                "data": {"?how": {"?outputs": ["x"], "one": {"load": []}, "two": {"pair": []}}},
                "shown": {"show": ["$data.x"]},
            }
        },
        ["swap.output_count"],
    ),
}


@pytest.mark.parametrize("case", FOLLOWING)
def test_nothing_is_told_that_only_follows(case: str) -> None:
    sections, expected = FOLLOWING[case]
    assert codes(description(**sections)) == expected


BESIDE: dict[str, dict[str, Any]] = {
    "an unknown section": {"steps": {}},
    "a malformed step": {"graph": {"broken": "x"}},
    "an unknown task": {"graph": {"broken": {"nothing": []}}},
    "a name that is no text": {"graph": {7: {"load": []}}},
    "a task without a dot": {"tasks": {"odd": {"plugin": "odd"}}},
    "an unknown type": {"parameters": {"odd": {"type": "nothing"}}},
    "an artifact task that is not known": {
        "artifact_outputs": {"kept": {"contents": "$data", "task": {"name": "Nothing"}}}
    },
}


@pytest.mark.parametrize("case", BESIDE)
def test_a_problem_does_not_hide_those_elsewhere(case: str) -> None:
    wrong = description(**BESIDE[case])
    wrong["graph"] |= {"typed": {"show": ["text"]}, "self": {"show": ["$self.x"]}}
    wrong["artifact_outputs"] = {
        **wrong.get("artifact_outputs", {}),
        "other": {"contents": "$data.none", "task": {"name": "None"}},
    }
    found = codes(wrong)
    assert {
        "arg.positional_mismatch",
        "ref.unknown_step_output@step",
        "ref.unknown_step_output@artifact_output",
        "step.cycle",
    } <= set(found)


def test_each_cycle_is_told() -> None:
    steps = {f"s{i}": {"show": ["$data"], "dependencies": [f"s{i ^ 1}"]} for i in range(6)}
    assert codes(description(graph=steps)) == ["step.cycle"] * 3


def test_sound_alternatives_of_a_swap_are_compared() -> None:
    steps = {
        "data": {"?how": {"one": {"laod": []}, "two": {"pair": []}}},
        "shown": {"show": ["$data.y"]},
    }
    found = thorough(description(graph=steps))
    assert [issue.code for issue in found] == ["step.unknown_task", "arg.positional_mismatch"]


@pytest.mark.parametrize("nothing", [None, [], "x", 3, {}, {"graph": None, "tasks": None}])
def test_what_is_no_description_is_refused(nothing: Any) -> None:
    assert thorough(nothing) == validate(nothing) != []
