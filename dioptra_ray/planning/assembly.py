"""From groups of steps to the stages of a plan."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from dioptra_ray.planning.copying import find_copying
from dioptra_ray.planning.nodes import Nodes
from dioptra_ray.planning.options import PlanOptions
from dioptra_ray.planning.plan import Resources, Stage, StageInput, StepRetries
from dioptra_ray.planning.reachability import members
from dioptra_ray.planning.reasons import Story
from dioptra_ray.planning.resources import kind
from dioptra_ray.planning.setup import Setup, find_setup
from dioptra_ray.planning.steps import StepGraph


def make_stages(
    description: Mapping[str, Any], options: PlanOptions, story: Story, above: Sequence[int]
) -> tuple[Stage, ...]:
    """The stages, in a topological order, artifacts included.

    Args:
        description: The description.
        options: What the plan is made with.
        story: The groups of steps, and why they are as they are.
        above: For each group the bits of all groups before it.
    """
    graph, nodes = story.graph, story.nodes
    outputs = tuple(description.get("artifact_outputs") or {})
    writer = _writer(nodes, options.defaults) if outputs else None
    setups = [find_setup(graph, nodes, node) for node in range(len(nodes.steps))]
    inputs = [_inputs(graph, nodes, node, setups[node]) for node in range(len(nodes.steps))]
    if writer is not None:
        own = set(nodes.steps[writer])
        inputs[writer] = sorted({*inputs[writer], *(s for s in graph.contents if s not in own)})
    exported = {step for taken in inputs for step in taken}
    if outputs and writer is None:
        exported.update(graph.contents)
    owner = nodes.owners()
    copying = [
        find_copying(
            graph,
            {*nodes.steps[node], *setups[node].replayed},
            inputs[node],
            graph.contents if node == writer else (),
        )
        for node in range(len(nodes.steps))
    ]
    stages = [
        Stage(
            name=_name(node),
            steps=_named(graph, steps),
            setup=_named(graph, setups[node].replayed),
            inputs=_stage_inputs(graph, owner, inputs[node], copying[node].readonly),
            after=tuple(_name(other) for other in members(above[node])),
            exports=_named(graph, [step for step in steps if step in exported]),
            workspace=tuple(_name(other) for other in members(above[node])),
            artifacts=outputs if node == writer else (),
            resources=nodes.resources[node],
            retries=_retries(graph, [*setups[node].replayed, *steps]),
            pure=all(graph.declarations[step].pure for step in [*setups[node].replayed, *steps]),
            timeout=_timeout(graph, [*setups[node].replayed, *steps]),
            step_timeouts=_step_timeouts(graph, [*setups[node].replayed, *steps]),
            reason=story.reason(node, setups[node], copying[node]),
        )
        for node, steps in enumerate(nodes.steps)
    ]
    if outputs and writer is None:
        stages.append(_artifact_stage(graph, owner, outputs, options.defaults, len(stages)))
    return tuple(stages)


def _retries(graph: StepGraph, steps: Iterable[int]) -> tuple[StepRetries, ...]:
    """What those steps declare that declare retries, ascending."""
    said = ((graph.names[step], graph.declarations[step]) for step in steps)
    return tuple(
        StepRetries(
            step=name,
            most=one.retries,
            on=one.retry_on or (),
            delay=one.retry_delay or 0.0,
        )
        for name, one in said
        if one.retries
    )


def _writer(nodes: Nodes, defaults: Resources) -> int | None:
    """The stage that follows all others and asks for nothing special, if there is one."""
    last = [node for node, followers in enumerate(nodes.after) if not followers]
    alone = len(nodes.steps) == 1
    if len(last) == 1 and (alone or kind(nodes.resources[last[0]]) == kind(defaults)):
        return last[0]
    return None


def _artifact_stage(
    graph: StepGraph,
    owner: Mapping[int, int],
    outputs: tuple[str, ...],
    defaults: Resources,
    count: int,
) -> Stage:
    everything = tuple(_name(node) for node in range(count))
    return Stage(
        name=_name(count),
        steps=(),
        inputs=_stage_inputs(graph, owner, graph.contents),
        after=everything,
        workspace=everything,
        artifacts=outputs,
        resources=defaults,
        reason="Writes the artifacts once all steps have succeeded; no stage with steps follows "
        "all others and asks for nothing special.",
    )


def _inputs(graph: StepGraph, nodes: Nodes, node: int, setup: Setup) -> list[int]:
    """Steps of other stages whose values it takes, ascending."""
    here = {*nodes.steps[node], *setup.replayed}
    own = set(nodes.steps[node])
    taken = {
        producer
        for step in here
        for producer in graph.data[step]
        # A replayed step's recorded outputs are those of its first run.
        if producer not in own
    }
    return sorted(taken)


def _stage_inputs(
    graph: StepGraph,
    owner: Mapping[int, int],
    taken: Sequence[int],
    readonly: Collection[int] = (),
) -> tuple[StageInput, ...]:
    return tuple(
        StageInput(stage=_name(owner[step]), step=graph.names[step], readonly=step in readonly)
        for step in taken
    )


def _step_timeouts(graph: StepGraph, steps: Sequence[int]) -> tuple[tuple[str, float], ...]:
    limits = ((graph.names[step], graph.declarations[step].timeout) for step in steps)
    return tuple((name, limit) for name, limit in limits if limit is not None)


def _timeout(graph: StepGraph, steps: Sequence[int]) -> float | None:
    """The sum of its steps' limits; a step without one makes the stage unlimited."""
    total = 0.0
    for step in steps:
        limit = graph.declarations[step].timeout
        if limit is None:
            return None
        total += limit
    return total


def _named(graph: StepGraph, steps: Sequence[int]) -> tuple[str, ...]:
    return tuple(graph.names[step] for step in steps)


def _name(node: int) -> str:
    return f"s{node}"
