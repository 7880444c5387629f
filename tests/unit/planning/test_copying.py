"""Which values a stage takes without copying them."""

from typing import Any

from dioptra_ray.planning import Declaration, Plan, PlanOptions, compile_plan
from dioptra_ray.planning.render import to_text
from tests.unit.planning.graphs import describe

READER = {"num_gpus": 1, "readonly": True}
WRITER = {"num_gpus": 1}


def plan(graph: dict[str, list[str]], steps: dict[str, Any], **options: Any) -> Plan:
    artifacts = options.pop("artifacts", None)
    description = describe(graph, execution={"steps": steps}, artifacts=artifacts)
    return compile_plan(description, PlanOptions(**options))


def readonly(made: Plan, stage: int = 1) -> dict[str, bool]:
    return {item.step: item.readonly for item in made.stages[stage].inputs}


def test_a_value_is_copied_unless_it_is_declared_otherwise() -> None:
    assert readonly(plan({"a": [], "b": ["a"]}, {"b": WRITER})) == {"a": False}
    made = plan({"a": [], "b": ["a"]}, {"b": READER})
    assert readonly(made) == {"a": True}
    assert "takes          a from s0 (read-only)" in to_text(made)


def test_a_task_may_declare_it_and_a_step_may_say_otherwise() -> None:
    declarations = {"b": Declaration(num_gpus=1.0, readonly=True)}
    graph = {"a": [], "b": ["a"]}
    assert readonly(plan(graph, {}, declarations=declarations)) == {"a": True}
    made = plan(graph, {"b": {"readonly": False}}, declarations=declarations)
    assert readonly(made) == {"a": False}


def test_one_step_that_may_change_it_has_it_copied_for_all_and_is_named() -> None:
    graph = {"a": [], "b": ["a"], "c": ["a", "b"]}
    made = plan(graph, {"b": READER, "c": WRITER})
    assert readonly(made) == {"a": False}
    assert (
        "The value of `a` is copied, since `c`, which it may reach, is not declared readonly."
        in made.stages[1].reason
    )


def test_a_reader_may_hand_its_input_on() -> None:
    graph = {"a": [], "view": ["a"], "change": ["view"], "other": []}
    steps = {"view": READER, "change": WRITER}
    assert readonly(plan(graph, steps)) == {"a": False}
    assert readonly(plan(graph, {"view": READER, "change": READER})) == {"a": True}


def test_each_value_is_decided_for_itself() -> None:
    graph = {"a": [], "b": [], "read": ["a"], "change": ["b", "!read"]}
    made = plan(graph, {"read": READER, "change": WRITER})
    assert [stage.steps for stage in made.stages] == [("a", "b"), ("read", "change")]
    assert readonly(made) == {"a": True, "b": False}


def test_an_artifact_task_gets_a_copy() -> None:
    graph = {"a": [], "b": ["a"]}
    made = plan(
        graph,
        {"a": {"parallel": True, "memory": "1GiB"}, "b": {"parallel": True, "readonly": True}},
        artifacts={"kept": "$a"},
    )
    assert made.stages[1].artifacts == ("kept",)
    assert readonly(made) == {"a": False}
    assert "copied, since an artifact task takes it too" in made.stages[1].reason


def test_the_plan_keeps_it() -> None:
    made = plan({"a": [], "b": ["a"]}, {"b": READER})
    assert Plan.from_json(made.to_json()) == made
