"""Swaps: what may be chosen, what a choice makes of a graph, and what is wrong with either."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.language import Issue, load, validate
from dioptra_ray.language.graph import execution_order, links
from dioptra_ray.language.positions import position_of
from dioptra_ray.language.swaps import renamed_tasks, render, swap_choices

TEXT = """\
types: {image: , other: , either: {union: [{tuple: [image]}, {tuple: [other]}]}}
parameters: {eps: 0.1}
tasks:
  seed: {plugin: p.m.seed}
  images: {plugin: p.m.images, outputs: {o: image}}
  fgm: {plugin: p.m.fgm, inputs: [{x: image}], outputs: {adversarial: image}}
  pgd:
    plugin: p.m.pgd
    inputs: [{x: image}, {name: eps, type: number, required: false}]
    outputs: [{out: image}, {steps: integer}]
  noise: {plugin: p.m.noise, outputs: {out: other}}
  show: {plugin: p.m.show, inputs: [{x: image}]}
  look: {plugin: p.m.look, inputs: [{x: either}]}
graph:
  seed: {seed: []}
  load: {images: []}
  attack:
    ?kind:
      fgm: {fgm: [$load]}
      plain: {images: []}
    dependencies: [seed]
  show: {show: [$load]}
"""


def codes(text: str) -> list[str]:
    return sorted(issue.code for issue in validate(load(text)))


def changed(before: str, after: str) -> str:
    assert before in TEXT
    return TEXT.replace(before, after)


def refused(description: Mapping[str, Any], choices: Mapping[str, str]) -> tuple[Issue, ...]:
    with pytest.raises(InvalidDescriptionError) as caught:
        render(description, choices)
    return caught.value.issues


def test_a_choice_takes_the_place_of_the_swap():
    description = load(TEXT)
    before = copy.deepcopy(dict(description))
    rendered = render(description, {"kind": "fgm"})
    assert rendered["graph"]["attack"] == {"fgm": ["$load"], "dependencies": ["seed"]}
    assert rendered["tasks"] == description["tasks"]
    assert list(rendered["graph"]) == list(description["graph"])
    assert validate(rendered) == []
    assert description == before


def test_dependencies_of_step_and_alternative_are_merged():
    text = changed("{fgm: [$load]}", "{task: fgm, args: [$load], dependencies: [load, seed]}")
    step = render(load(text), {"kind": "fgm"})["graph"]["attack"]
    assert step == {"task": "fgm", "args": ["$load"], "dependencies": ["seed", "load"]}


def test_without_swaps_and_choices_nothing_changes():
    description = load("tasks: {t: {plugin: m.f}}\ngraph: {a: {t: []}}\n")
    assert render(description, {}) is description
    assert [issue.code for issue in refused(description, {"x": "y"})] == ["swap.unused_choice"]


def test_wrong_choices_are_all_reported_in_their_places():
    text = changed("  show: {show", "  more: {'?more': {x: {seed: []}}}\n  show: {show")
    issues = refused(load(text, file="a.yaml"), {"kind": "plian", "knd": "fgm"})
    assert [(issue.code, issue.line) for issue in issues] == [
        ("swap.unknown_choice", 18),
        ("swap.missing_choice", 22),
        ("swap.unused_choice", 14),
    ]
    assert "Did you mean 'plain'?" in issues[0].message
    assert "Did you mean 'kind'?" in issues[2].message


def test_choices_are_listed_without_the_output_names():
    text = changed("?kind:\n", "?kind:\n      ?outputs: [x]\n")
    assert swap_choices(load(text)) == {"kind": ("fgm", "plain")}
    assert swap_choices(None) == {}
    assert swap_choices({"graph": {"a": {"?b": 1}}}) == {}


def test_a_graph_is_ordered_for_all_choices():
    description = load(TEXT)
    assert links(description)["attack"].data == ("load",)
    assert links(description)["attack"].order_only == ("seed",)
    assert execution_order(description).index("load") < execution_order(description).index("attack")


def test_a_cycle_of_any_choices_is_found():
    text = changed("plain: {images: []}", "plain: {task: images, dependencies: later}")
    text += "  later: {'?x': {a: {seed: []}, b: {task: seed, dependencies: attack}}}\n"
    assert codes(text) == ["step.cycle"]


@pytest.mark.parametrize(
    ("alternative", "expected"),
    [
        ("{fgmm: []}", ["step.unknown_task"]),
        ("{fgm: []}", ["call.missing_required"]),
        ("{fgm: [$load], pgd: [$load]}", ["step.no_task_key"]),
        ("{fgm: [$nothing]}", ["ref.unresolvable@step"]),
        ("{fgm: [1]}", ["arg.positional_mismatch"]),
        ("{task: fgm, kwargs: {x: 1}}", ["arg.keyword_mismatch"]),
        ("{task: images, dependencies: [nobody]}", ["step.unknown_dependency"]),
        ("5", ["schema"]),
        ("{}", ["schema"]),
        ("{task: fgm, what: 1}", ["schema"]),
        ('{"?inner": {a: {images: []}}}', ["swap.nested"]),
    ],
)
def test_every_alternative_is_validated(alternative, expected):
    text = changed("plain: {images: []}", f"plain: {alternative}")
    issues = validate(load(text))
    assert [issue.code for issue in issues] == expected
    assert issues[0].path.startswith('$.graph.attack["?kind"].plain')
    assert (issues[0].line, issues[0].column) >= (20, 7)
    assert "attack" in issues[0].message or "plain" in issues[0].message


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("    dependencies: [seed]", "    dependencies: [seed]\n    ?more: {a: {images: []}}",
         ["swap.several"]),
        ("    dependencies: [seed]", "    fgm: [$load]", ["swap.other_key"]),
        ("    dependencies: [seed]", "    dependencies: 5", ["schema"]),
        ("?kind:", "?:", ["swap.bad_name"]),
        ("plain:", "5:", ["swap.bad_name"]),
        ("plain:", "' ':", ["swap.bad_name"]),
        ("plain:", "?x:", ["swap.bad_name"]),
        ("?kind:\n", "?kind:\n      ?outputs: x\n", ["swap.bad_outputs"]),
        ("?kind:\n", "?kind:\n      ?outputs: [x, x]\n", ["swap.bad_outputs"]),
        ("?kind:\n", "?kind:\n      ?outputs: [x, y]\n", ["swap.output_count"] * 2),
        ("show: {show: [$load]}", 'show: {"?kind": {a: {images: []}}}', ["swap.duplicate_name"]),
        ("show: {show: [$load]}", 'show: {"?a": {}}', ["swap.no_alternatives"]),
        ("show: {show: [$load]}", 'show: {"?a": [x]}', ["swap.no_alternatives"]),
    ],
)  # fmt: skip
def test_malformed_swaps(before, after, expected):
    text = changed(before, after)
    assert codes(text) == expected
    if expected[0] != "swap.output_count":
        found = refused(load(text), {"kind": "fgm"})
        assert [issue.code for issue in found] == expected


def test_references_must_resolve_for_every_choice():
    text = changed("show: {show: [$load]}", "show: {show: [$attack.adversarial]}")
    (issue,) = validate(load(text))
    assert issue.code == "ref.unknown_step_output@step"
    assert "with kind=plain" in issue.message


def test_a_bare_reference_needs_no_common_name():
    assert codes(changed("show: {show: [$load]}", "show: {show: [$attack]}")) == []


OUTPUTS = changed("?kind:\n", "?kind:\n      ?outputs: [images]\n").replace(
    "show: {show: [$load]}", "show: {show: [$attack.images]}"
)


def test_outputs_are_known_by_the_names_of_the_swap():
    description = load(OUTPUTS)
    assert validate(description) == []
    for alias in ("fgm", "plain"):
        choices = {"kind": alias}
        rendered = render(description, choices)
        assert validate(rendered) == []
        (task,) = (key for key in rendered["graph"]["attack"] if key != "dependencies")
        assert rendered["tasks"][task]["outputs"] == {"images": "image"}
        assert renamed_tasks(description, choices)[task] in description["tasks"]
    hidden = load(OUTPUTS.replace("$attack.images", "$attack.adversarial"))
    assert [issue.code for issue in validate(hidden)] == ["ref.unknown_step_output@step"]


def test_several_outputs_are_named_by_position():
    text = changed("fgm: {fgm: [$load]}", "fgm: {task: pgd, args: [$load]}")
    text = text.replace("plain: {images: []}", "plain: {pgd: [$load, 0.5]}")
    text = text.replace("?kind:\n", "?kind:\n      ?outputs: [images, count]\n")
    rendered = render(load(text), {"kind": "fgm"})
    task = rendered["graph"]["attack"]["task"]
    assert task not in ("pgd", "fgm")
    assert rendered["tasks"][task]["outputs"] == [{"images": "image"}, {"count": "integer"}]


def test_outputs_that_have_the_names_already_need_no_copy():
    text = changed("?kind:\n", "?kind:\n      ?outputs: [o]\n")
    assert renamed_tasks(load(text), {"kind": "plain"}) == {}
    assert set(renamed_tasks(load(text), {"kind": "fgm"}).values()) == {"fgm"}


def test_types_are_checked_for_every_choice():
    text = changed("plain: {images: []}", "plain: {noise: []}")
    assert codes(text) == []
    (issue,) = validate(load(text.replace("show: {show: [$load]}", "show: {show: [$attack]}")))
    assert issue.code == "arg.positional_mismatch"
    assert "with kind=plain" in issue.message


def test_types_that_fit_choice_by_choice_fit():
    """`[$attack]` is a tuple of a union, which does not fit; with either choice it does."""
    text = changed("plain: {images: []}", "plain: {noise: []}")
    assert codes(text.replace("show: {show: [$load]}", "show: {look: [[$attack]]}")) == []


def test_a_swap_in_braces_without_quotes_is_explained():
    """YAML reads `{?kind: ...}` as a long way to write `{kind: ...}`."""
    text = changed("show: {show: [$load]}", "show: {?kind: {a: {images: []}}}")
    (issue,) = validate(load(text))
    assert issue.code == "step.unknown_task"
    assert '"?kind"' in issue.message


def test_too_many_combinations_are_refused_not_tried():
    swaps = "".join(
        f"  s{n}: {{'?s{n}': {{a: {{images: []}}, b: {{noise: []}}}}}}\n" for n in range(40)
    )
    union = "both: {union: [{tuple: [either]}, {tuple: [image]}]}"
    text = changed("types: {", f"types: {{{union}, ").replace("x: either", "x: both") + swaps
    many = ", ".join(f"$s{n}" for n in range(40))
    (issue,) = validate(load(f"{text}  many: {{look: [[{many}]]}}\n"))
    assert issue.code == "arg.positional_mismatch"


def test_places_survive_rendering():
    description = load(TEXT, file="a.yaml")
    rendered = render(description, {"kind": "fgm"})
    assert position_of(rendered, ("graph", "attack", "fgm", 0)) == (19, 19)
    assert position_of(rendered, ("graph", "attack", "dependencies", 0)) == (21, 20)
    assert position_of(rendered, ("graph", "show")) == position_of(description, ("graph", "show"))
    wrong = render(load(OUTPUTS.replace("fgm: [$load]}", "fgm: [$lod]}")), {"kind": "fgm"})
    assert [(issue.line, issue.column) for issue in validate(wrong)] == [(20, 19)]


def test_an_alternative_that_calls_null_is_rendered_and_then_refused():
    """Found by fuzzing: YAML has null keys."""
    text = changed("plain: {images: []}", "plain: {null: [1]}")
    assert codes(text) == ["step.unknown_task"]
    assert [i.code for i in validate(render(load(text), {"kind": "plain"}))] == [
        "step.unknown_task"
    ]
