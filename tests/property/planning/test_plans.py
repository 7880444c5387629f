"""What holds for every plan, over random graphs with random declarations."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dioptra_ray.language.graph import execution_order, links
from dioptra_ray.planning import Plan, PlanOptions, Resources, compile_plan
from dioptra_ray.planning.declarations import Declaration, read_declaration
from dioptra_ray.planning.render import direct_edges, to_dot, to_mermaid, to_text
from dioptra_ray.planning.reuse import Parts, needed_stages, reusable_stages

DECLARATIONS: list[dict[str, Any]] = [
    {"parallel": True},
    {"parallel": False},
    {"num_gpus": 1},
    {"num_gpus": 0.5},
    {"num_cpus": 4},
    {"memory": "1GiB"},
    {"labels": {"zone": "a"}},
    {"resources": {"tpu": 1}},
    {"parallel": True, "retries": 2},
    {"parallel": True, "readonly": True},
    {"num_gpus": 1, "readonly": True},
    {"retries": 1, "timeout": 5},
    {},
]


@st.composite
def descriptions(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(1, 12))
    names = draw(st.permutations([f"n{i}" for i in range(count)]))
    graph: dict[str, Any] = {}
    for index, name in enumerate(names):
        earlier = names[:index]
        chosen = (
            draw(st.lists(st.sampled_from(earlier), max_size=3, unique=True)) if earlier else []
        )
        order_only = [draw(st.booleans()) and draw(st.booleans()) for _ in chosen]
        graph[name] = {
            "task": "t",
            "args": [
                f"${other}" for other, flag in zip(chosen, order_only, strict=True) if not flag
            ],
            "dependencies": [other for other, flag in zip(chosen, order_only, strict=True) if flag],
        }
    written = draw(st.permutations(list(graph)))
    description: dict[str, Any] = {
        "tasks": {"t": {"plugin": "p.m.t", "outputs": {"o": "any"}}},
        "graph": {name: graph[name] for name in written},
        "execution": {
            "steps": draw(st.dictionaries(st.sampled_from(written), st.sampled_from(DECLARATIONS)))
        },
    }
    parallel = draw(st.sampled_from([None, None, True, False]))
    if parallel is not None:
        description["execution"]["parallel"] = parallel
    if draw(st.booleans()):
        step = draw(st.sampled_from(written))
        description["artifact_outputs"] = {"a": {"contents": f"${step}", "task": {"name": "A"}}}
    return description


MODES = st.sampled_from(["latency", "throughput"])


def plan_of(description: dict[str, Any], mode: Any) -> Plan:
    return compile_plan(description, PlanOptions(mode=mode, artifact_tasks={"A": "p.m.A"}))


def asked(description: dict[str, Any], step: str) -> Resources:
    said = read_declaration(description["execution"]["steps"].get(step, {}))
    return Resources(
        num_cpus=1.0 if said.num_cpus is None else said.num_cpus,
        num_gpus=said.num_gpus or 0.0,
        memory=said.memory or 0,
        labels=said.labels or (),
        custom=said.resources or (),
    )


@settings(max_examples=100, deadline=None)
@given(descriptions(), st.data())
def test_what_is_reused_and_what_is_needed_of_it(
    description: dict[str, Any], data: st.DataObject
) -> None:
    plan = plan_of(description, "latency")
    names = [stage.name for stage in plan.stages]
    saved = data.draw(st.sets(st.sampled_from(names)))
    kept = {
        stage.name: Parts(
            exports=frozenset(step for step in stage.exports if data.draw(st.booleans())),
            files=data.draw(st.booleans()),
        )
        for stage in plan.stages
        if stage.name in saved
    }
    whole = {
        name: Parts(exports=frozenset(stage.exports), files=True)
        for name, stage in zip(names, plan.stages, strict=True)
    }
    reused = reusable_stages(plan, kept)
    assert set(reused) <= saved
    for stage in plan.stages:
        if stage.name in reused:
            assert set(stage.after) <= set(reused)
            continue
        for given_value in stage.inputs:
            if given_value.stage in reused:
                assert given_value.step in kept[given_value.stage].exports
        assert all(kept[name].files for name in stage.workspace if name in reused)
    complete = {name: whole[name] for name in saved}
    for stage in plan.stages:
        may = stage.name in saved and set(stage.after) <= set(reusable_stages(plan, complete))
        assert (stage.name in reusable_stages(plan, complete)) == may
    needed = needed_stages(plan, reused)
    assert set(needed) <= set(reused)
    runs = [stage for stage in plan.stages if stage.name not in reused]
    assert set(needed) == {name for stage in runs for name in stage.after} & set(reused)
    # A stage that runs finds all that it takes: made again, or kept.
    for stage in runs:
        assert set(stage.after) <= {one.name for one in runs} | set(needed)
    # Once everything has finished, nothing is needed; with nothing, nothing.
    assert needed_stages(plan, names) == needed_stages(plan, ()) == ()
    assert reusable_stages(plan, whole) == tuple(names)


@settings(max_examples=150, deadline=None)
@given(descriptions(), MODES)
def test_each_step_is_in_one_stage_and_every_edge_is_kept(
    description: dict[str, Any], mode: str
) -> None:
    plan = plan_of(description, mode)
    owner = {step: stage.name for stage in plan.stages for step in stage.steps}
    assert sorted(owner) == sorted(description["graph"])
    assert sum(len(stage.steps) for stage in plan.stages) == len(owner)
    position = {stage.name: index for index, stage in enumerate(plan.stages)}
    for stage in plan.stages:
        assert stage.name == f"s{position[stage.name]}"
        assert all(position[other] < position[stage.name] for other in stage.after)
        assert list(stage.after) == sorted(set(stage.after), key=position.__getitem__)
        assert {item.stage for item in stage.inputs} | set(stage.workspace) <= set(stage.after)
        assert [*stage.steps] == [step for step in plan.order if step in stage.steps]
        # Ancestors of ancestors come along, so that their files are seen.
        above = {up for other in stage.after for up in plan.stages[position[other]].after}
        assert above <= set(stage.after)
        taken = {item.step for item in stage.inputs}
        for step in (*stage.setup, *stage.steps):
            for producer in links(description)[step].data:
                assert producer in taken or owner[producer] == stage.name
        for item in stage.inputs:
            assert owner[item.step] == item.stage
            assert item.step in plan.stages[position[item.stage]].exports
    for stage in plan.stages:
        needed = {i.step for s in plan.stages for i in s.inputs if i.stage == stage.name}
        assert set(stage.exports) == needed
    for step, found in links(description).items():
        mine = plan.stages[position[owner[step]]]
        for other in (*found.data, *found.order_only):
            assert owner[other] == mine.name or owner[other] in mine.after


@settings(max_examples=150, deadline=None)
@given(descriptions(), MODES)
def test_order_only_promises_are_kept(description: dict[str, Any], mode: str) -> None:
    plan = plan_of(description, mode)
    stage_of = {step: stage for stage in plan.stages for step in stage.steps}
    found = links(description)
    for stage in plan.stages:
        assert not set(stage.setup) & set(stage.steps)
        assert [*stage.setup] == [step for step in plan.order if step in stage.setup]
        for step in (*stage.setup, *stage.steps):
            for other in found[step].order_only:
                own, theirs = stage.resources, asked(description, other)
                could = (
                    theirs.num_gpus <= own.num_gpus
                    and theirs.memory <= own.memory
                    and set(theirs.labels) <= set(own.labels)
                    and set(theirs.custom) <= set(own.custom)
                )
                together = other in stage.setup or other in stage.steps
                assert together == (could or stage_of[other] is stage)


@settings(max_examples=150, deadline=None)
@given(descriptions(), MODES)
def test_no_stage_asks_for_more_than_its_steps_and_there_are_no_idle_stages(
    description: dict[str, Any], mode: str
) -> None:
    plan = plan_of(description, mode)
    artifact_stages = [stage for stage in plan.stages if not stage.steps]
    assert len(artifact_stages) <= 1
    assert len(plan.stages) - len(artifact_stages) <= len(description["graph"])
    for stage in plan.stages:
        if stage.steps:
            each = [asked(description, step) for step in stage.steps]
            assert stage.resources.num_cpus == max(one.num_cpus for one in each)
            assert stage.resources.num_gpus == max(one.num_gpus for one in each)
            assert stage.resources.memory == max(one.memory for one in each)
            assert set(stage.resources.labels) == {pair for one in each for pair in one.labels}
            assert set(stage.resources.custom) == {pair for one in each for pair in one.custom}
    writers = [stage for stage in plan.stages if stage.artifacts]
    if "artifact_outputs" in description:
        assert len(writers) == 1
        assert set(writers[0].after) == {s.name for s in plan.stages} - {writers[0].name}
        assert writers[0] is plan.stages[-1]
        step = description["artifact_outputs"]["a"]["contents"][1:]
        assert step in {*writers[0].steps, *(item.step for item in writers[0].inputs)}
    else:
        assert not writers
        assert not artifact_stages


@settings(max_examples=150, deadline=None)
@given(descriptions())
def test_parallel_steps_without_a_path_are_apart_and_chains_are_together(
    description: dict[str, Any],
) -> None:
    description["execution"] = {"parallel": True}
    plan = plan_of(description, "latency")
    order = execution_order(description)
    found = links(description)
    above: dict[str, set[str]] = {}
    for step in order:
        direct = (*found[step].data, *found[step].order_only)
        above[step] = {*direct, *(up for other in direct for up in above[other])}
    owner = {step: stage.name for stage in plan.stages for step in stage.steps}
    for one in order:
        for other in order:
            if one != other and one not in above[other] and other not in above[one]:
                assert owner[one] != owner[other]
    for one in order:
        for other in order:
            # Whatever is comparable with the one is comparable with the other.
            if one in above[other] and all(
                (x in above[one] or x in (one, other) or other in above[x]) for x in order
            ):
                assert owner[one] == owner[other]


@settings(max_examples=80, deadline=None)
@given(descriptions(), MODES)
def test_equal_inputs_give_equal_bytes_and_a_plan_survives_its_json(
    description: dict[str, Any], mode: str
) -> None:
    plan = plan_of(description, mode)
    assert plan.to_json() == plan_of(description, mode).to_json()
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.digest == Plan.from_json(plan.to_json()).digest


@settings(max_examples=80, deadline=None)
@given(descriptions(), MODES)
def test_bound_steps_keep_dioptras_order_across_their_processes(
    description: dict[str, Any], mode: str
) -> None:
    plan = plan_of(description, mode)
    position = {step: i for i, stage in enumerate(plan.stages) for step in stage.steps}
    parallel = description["execution"].get("parallel")
    entrypoint = Declaration(parallel=parallel)
    bound = []
    for step in plan.order:
        own = read_declaration(description["execution"]["steps"].get(step, {}))
        said = own.merged_over(entrypoint)
        free = said.asks_for_resources if said.parallel is None else said.parallel
        bound += [] if free else [step]
    places = [position[step] for step in bound]
    assert places == sorted(places)
    gpu_between = any(asked(description, step) != Resources() for step in plan.order)
    if not gpu_between:
        assert len(set(places)) <= 1


@pytest.mark.parametrize("draw", [to_text, to_mermaid, to_dot])
@settings(max_examples=40, deadline=None)
@given(description=descriptions(), mode=MODES)
def test_pictures_show_every_stage_and_keep_reachability(
    draw: Any, description: dict[str, Any], mode: str
) -> None:
    plan = plan_of(description, mode)
    text = draw(plan)
    assert all(stage.name in text for stage in plan.stages)
    edges = direct_edges(plan)
    reached: dict[str, set[str]] = {}
    for stage in plan.stages:
        direct = edges[stage.name]
        reached[stage.name] = {*direct, *(up for other in direct for up in reached[other])}
        assert reached[stage.name] == set(stage.after)


@settings(max_examples=150, deadline=None)
@given(descriptions(), MODES)
def test_only_what_reaches_nothing_but_readers_is_readonly(
    description: dict[str, Any], mode: str
) -> None:
    said = description["execution"]["steps"]
    data = {step: found.data for step, found in links(description).items()}
    for stage in plan_of(description, mode).stages:
        here = {*stage.setup, *stage.steps}
        contents = {f"${item.step}" for item in stage.inputs}
        written = {
            output["contents"]
            for name, output in description.get("artifact_outputs", {}).items()
            if name in stage.artifacts and output["contents"] in contents
        }
        for item in stage.inputs:
            reached, grown = {item.step}, True
            while grown:
                more = {step for step in here if reached & set(data[step])}
                grown = not more <= reached
                reached |= more
            takers = {step for step in here if item.step in data[step]}
            # A replayed producer makes a value of its own; the one that came is not touched by it.
            others = (reached - {item.step}) & here
            readers = all(said.get(s, {}).get("readonly") for s in others | takers)
            expected = bool(takers) and readers and f"${item.step}" not in written
            assert item.readonly == expected
