"""Which steps run together, case by case."""

import datetime as dt
from typing import Any

import pytest

from dioptra_ray.errors import ExhaustedError, InvalidRequestError
from dioptra_ray.planning import (
    Declaration,
    Plan,
    PlanOptions,
    PluginBundle,
    Resources,
    compile_plan,
)
from tests.unit.planning.graphs import describe

GPU = {"num_gpus": 1}
FREE = {"parallel": True}


def stages(description: dict[str, Any], **options: Any) -> list[tuple[str, ...]]:
    return [stage.steps for stage in compile_plan(description, PlanOptions(**options)).stages]


def test_a_graph_that_says_nothing_is_one_stage_in_dioptras_order() -> None:
    graph = {"load": [], "train": ["load", "!seed"], "seed": [], "test": ["train"]}
    plan = compile_plan(describe(graph, artifacts={"model": "$train"}))
    (stage,) = plan.stages
    assert stage.steps == plan.order == ("load", "seed", "train", "test")
    assert stage.artifacts == ("model",)
    assert (stage.inputs, stage.after, stage.exports, stage.setup) == ((), (), (), ())
    assert stage.resources == Resources()


def test_parallel_branches_are_apart_and_chains_together() -> None:
    graph = {"a": [], "a2": ["a"], "b": ["a2"], "b2": ["b"], "c": ["a2"], "d": ["b2", "c"]}
    assert stages(describe(graph, execution=FREE)) == [("a", "a2"), ("b", "b2"), ("c",), ("d",)]


def test_a_chain_with_crossing_shortcuts_is_still_a_chain() -> None:
    graph = {"1": [], "2": ["1"], "3": ["2"], "4": ["3", "1"], "5": ["4", "2"]}
    assert stages(describe(graph, execution=FREE)) == [("1", "2", "3", "4", "5")]


def test_a_seed_step_is_replayed_before_a_gpu_step_with_what_it_depends_on() -> None:
    graph = {"conf": [], "seed": ["draw", "!conf"], "draw": [], "train": ["!seed", "draw"]}
    plan = compile_plan(describe(graph, execution={"steps": {"train": GPU}}))
    first, second = plan.stages
    assert first.steps == ("conf", "draw", "seed")
    assert second.steps == ("train",)
    assert second.setup == ("conf", "seed")
    assert [item.step for item in second.inputs] == ["draw"]
    assert first.exports == ("draw",)
    assert second.resources.num_gpus == 1


def test_a_gpu_step_is_not_replayed_where_there_is_no_gpu() -> None:
    graph = {"train": [], "report": ["!train"]}
    plan = compile_plan(describe(graph, execution={"steps": {"train": GPU}}))
    assert [stage.steps for stage in plan.stages] == [("train",), ("report",)]
    assert plan.stages[1].setup == ()
    assert plan.stages[1].after == plan.stages[1].workspace == ("s0",)
    assert "only files are seen" in plan.stages[1].reason


def test_a_seed_step_is_replayed_in_each_parallel_branch() -> None:
    graph = {"seed": [], "a": ["!seed"], "b": ["!seed"]}
    plan = compile_plan(describe(graph, execution=FREE))
    assert [stage.steps for stage in plan.stages] == [("seed",), ("a",), ("b",)]
    assert [stage.setup for stage in plan.stages] == [(), ("seed",), ("seed",)]


def test_a_seed_step_shares_the_stage_of_the_only_step_that_it_serves() -> None:
    graph = {"seed": [], "load": [], "train": ["load", "!seed"]}
    plan = compile_plan(describe(graph, execution=FREE))
    assert [stage.steps for stage in plan.stages] == [("load",), ("seed", "train")]
    assert plan.stages[1].setup == ()


def test_a_free_step_with_an_order_only_edge_to_a_bound_one_shares_its_process() -> None:
    graph = {"seed": [], "a": ["!seed"], "b": []}
    plan = compile_plan(describe(graph, execution={"steps": {"a": FREE, "b": FREE}}))
    assert [stage.steps for stage in plan.stages] == [("seed", "a"), ("b",)]
    assert "would be replayed instead" in plan.stages[0].reason


def test_a_free_step_between_bound_steps_joins_them() -> None:
    graph = {"a": [], "b": ["a"], "c": ["b"]}
    assert stages(describe(graph, execution={"steps": {"b": FREE}})) == [("a", "b", "c")]
    wide = compile_plan(describe(graph, execution={"steps": {"b": {"num_cpus": 4}}}))
    assert [stage.steps for stage in wide.stages] == [("a", "b", "c")]
    assert wide.stages[0].resources.num_cpus == 4


def test_a_step_that_cannot_join_cuts_the_bound_process() -> None:
    graph = {"a": [], "x": [], "b": ["a"], "c": ["b"], "y": ["x"]}
    plan = compile_plan(
        describe(graph, execution={"steps": {"b": GPU}}, artifacts={"m": "$b", "n": "$x"})
    )
    assert [stage.steps for stage in plan.stages] == [("a", "x", "y"), ("b",), ("c",)]
    last = plan.stages[2]
    assert last.artifacts == ("m", "n")
    assert [(item.stage, item.step) for item in last.inputs] == [("s0", "x"), ("s1", "b")]
    assert last.workspace == ("s0", "s1")
    assert "`b` must run between" in last.reason


def test_free_steps_after_a_cut_keep_their_parallelism() -> None:
    graph = {"a": [], "g": ["a"], "p": ["g"], "q": ["g"], "z": ["p", "q"]}
    execution = {"steps": {"g": GPU, "p": FREE, "q": FREE}}
    assert stages(describe(graph, execution=execution)) == [("a",), ("g",), ("p",), ("q",), ("z",)]


def test_two_cuts() -> None:
    graph = {"a": [], "g": ["a"], "b": ["g"], "h": ["b"], "c": ["h", "a"]}
    execution = {"steps": {"g": GPU, "h": {"labels": {"zone": "x"}}}}
    assert stages(describe(graph, execution=execution)) == [(step,) for step in "agbhc"]


def test_throughput_fuses_as_far_as_resources_allow() -> None:
    graph = {"a": [], "b": [], "g": ["a"], "h": ["b"], "late": [], "c": ["g"], "d": ["h"]}
    execution = {"parallel": True, "steps": {"g": GPU, "h": GPU}}
    description = describe(graph, execution=execution)
    assert len(stages(description)) == 7
    fused = stages(description, mode="throughput")
    assert [set(steps) for steps in fused] == [{"a", "b"}, {"g", "h"}, {"late", "c", "d"}]


def test_different_retries_or_cpus_are_not_fused_for_latency() -> None:
    graph = {"a": [], "b": ["a"]}
    for said in ({"retries": 2}, {"num_cpus": 2}, {"memory": "1GiB"}):
        description = describe(graph, execution={"parallel": True, "steps": {"b": said}})
        assert stages(description) == [("a",), ("b",)]
        assert stages(description, mode="throughput") == [("a", "b")]


def test_declarations_weakest_first() -> None:
    task = {"t": Declaration(num_gpus=1.0, retries=1, timeout=60.0)}
    queue = Resources(num_cpus=2.0, memory=5, labels=(("pool", "x"),))
    graph = {"t": [], "u": []}
    steps = {"t": {"retries": 3, "labels": {"zone": "a"}}}
    plan = compile_plan(
        describe(graph, execution={"steps": steps}),
        PlanOptions(declarations=task, defaults=queue),
    )
    stage = next(stage for stage in plan.stages if stage.steps == ("t",))
    assert stage.resources == Resources(
        num_cpus=2.0, num_gpus=1.0, memory=5, labels=(("pool", "x"), ("zone", "a"))
    )
    assert (stage.max_retries, stage.timeout) == (3, 60.0)
    assert next(s for s in plan.stages if s.steps == ("u",)).resources == queue


def test_the_step_overrides_the_entrypoint_which_overrides_the_task() -> None:
    graph = {"a": [], "b": [], "c": []}
    tasks = {"a": Declaration(parallel=True)}
    assert stages(describe(graph), declarations=tasks) == [("a",), ("b", "c")]
    no = describe(graph, execution={"parallel": False})
    assert stages(no, declarations=tasks) == [("a", "b", "c")]
    mixed = describe(graph, execution={"parallel": True, "steps": {"b": {"parallel": False}}})
    assert stages(mixed) == [("a",), ("b",), ("c",)]
    both = {"b": {"parallel": False}, "c": {"parallel": False, "num_gpus": 1}}
    kept = compile_plan(describe(graph, execution={"parallel": True, "steps": both}))
    assert [stage.steps for stage in kept.stages] == [("a",), ("b", "c")]
    assert kept.stages[1].resources.num_gpus == 1


def test_bound_steps_that_ask_for_different_labels_are_refused() -> None:
    steps = {
        "a": {"parallel": False, "labels": {"zone": "x"}},
        "b": {"parallel": False, "labels": {"zone": "y"}},
    }
    with pytest.raises(InvalidRequestError, match=r"'a' and 'b'.*zone=x and zone=y"):
        compile_plan(describe({"a": [], "b": []}, execution={"steps": steps}))


def test_timeouts_and_retries_of_a_stage() -> None:
    graph = {"a": [], "b": ["a"], "c": []}
    steps: dict[str, Any] = {"a": {"timeout": "1m"}, "b": {"timeout": 30, "retries": 2}}
    (partly,) = compile_plan(describe(graph, execution={"steps": steps})).stages
    assert partly.timeout is None
    assert partly.step_timeouts == (("a", 60.0), ("b", 30.0))
    assert partly.max_retries == 2
    steps["c"] = {"timeout": 10}
    (fully,) = compile_plan(describe(graph, execution={"steps": steps})).stages
    assert fully.timeout == 100


def test_artifacts_after_many_ends_get_a_stage_of_their_own() -> None:
    graph = {"a": [], "b": ["a"], "c": ["a"]}
    plan = compile_plan(
        describe(graph, execution=FREE, artifacts={"x": "$b.o", "y": "plain", "z": "$a"})
    )
    last = plan.stages[-1]
    assert last.steps == ()
    assert last.artifacts == ("x", "y", "z")
    assert last.after == last.workspace == ("s0", "s1", "s2")
    assert [item.step for item in last.inputs] == ["a", "b"]
    assert [stage.exports for stage in plan.stages] == [("a",), ("b",), (), ()]


def test_artifacts_are_not_written_on_a_gpu_node_that_follows_all_others() -> None:
    graph = {"a": [], "b": ["a"]}
    plan = compile_plan(
        describe(graph, execution={"steps": {"b": GPU}}, artifacts={"x": "$b"}),
    )
    assert [(stage.steps, stage.artifacts) for stage in plan.stages] == [
        (("a",), ()),
        (("b",), ()),
        ((), ("x",)),
    ]
    assert plan.stages[2].resources == Resources()


def test_a_plan_holds_what_running_it_takes() -> None:
    bundles = (
        PluginBundle(name="b", digest="sha256:2"),
        PluginBundle(name="a", digest="sha256:1"),
    )
    plan = compile_plan(
        describe({"s": []}, artifacts={"x": "$s"}),
        PlanOptions(plugins=bundles, artifact_tasks={"Save": "p.m.Save", "Other": "p.m.Other"}),
    )
    assert [plugin.name for plugin in plan.plugins] == ["a", "b"]
    assert plan.artifact_tasks == (("Save", "p.m.Save"),)


@pytest.mark.parametrize(
    "value",
    [
        {1: "a", None: "b", 2.5: "c", False: "d"},
        {"$dioptra:date": "not ours"},
        dt.date(2020, 2, 29),
        dt.datetime(2020, 2, 29, 1, 2, 3, tzinfo=dt.UTC),
        b"\x00\xff",
        {1, 2},
        [float("inf"), -0.0, None, "é", 2**70],
        {(1, 2): {"deep": [dt.date(2020, 1, 1)]}},
    ],
)
def test_what_yaml_can_say_survives_the_json_of_a_plan(value: Any) -> None:
    description = describe({"s": []})
    description["graph"]["s"]["args"] = [value]
    plan = compile_plan(description)
    again = Plan.from_json(plan.to_json())
    assert again.description["graph"]["s"]["args"] == [value]
    assert again == plan


def test_a_large_graph_of_free_steps_is_planned() -> None:
    count = 3000
    graph = {f"n{i}": [f"n{i - 1}"] if i % 10 else [] for i in range(count)}
    assert len(stages(describe(graph, execution=FREE))) == count // 10


def test_a_graph_with_too_many_stages_to_pass_files_between() -> None:
    graph: dict[str, list[str]] = {}
    for layer in range(400):
        fan = [f"n{layer}_{i}" for i in range(3)]
        graph |= {step: [f"join{layer - 1}"] if layer else [] for step in fan}
        graph[f"join{layer}"] = fan
    fused = compile_plan(describe(graph, execution=FREE))
    assert len(fused.stages) == 1
    assert "too many stages" in fused.stages[0].reason
    chain = {f"n{i}": [f"n{i - 1}"] if i else [] for i in range(1500)}
    steps = {f"n{i}": GPU for i in range(0, 1500, 2)}
    with pytest.raises(ExhaustedError, match="1500 stages"):
        compile_plan(describe(chain, execution={"steps": steps}))
