"""Compiling a description to a plan."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from dioptra_ray.errors import ExhaustedError
from dioptra_ray.planning.assembly import make_stages
from dioptra_ray.planning.binding import Binding, bind
from dioptra_ray.planning.fusion import fuse_chains, fuse_kinds
from dioptra_ray.planning.nodes import Nodes, make_nodes
from dioptra_ray.planning.options import PlanOptions
from dioptra_ray.planning.plan import Mode, Plan
from dioptra_ray.planning.reachability import ancestors
from dioptra_ray.planning.reasons import Story
from dioptra_ray.planning.steps import StepGraph, read_steps

_MOST_EDGES = 1_000_000
"""How many (stage, stage before it) pairs a plan may list. A graph of more is fused
further: tracking the files of so many stages costs more than running them apart gains."""


def compile_plan(description: Mapping[str, Any], options: PlanOptions | None = None) -> Plan:
    """Decide which steps of a valid description run together, where, and after what.

    Pure: equal inputs give equal plans, with byte-equal JSON.

    Raises:
        InvalidRequestError: Steps that must share a process ask for different nodes, or
            a declaration in the description is wrong.
        ExhaustedError: The graph makes more stages than files can be passed between.
    """
    options = options or PlanOptions()
    graph = read_steps(description, options)
    binding = bind(graph)
    ungrouped = _group_bound(graph, binding)
    mode: Mode = options.mode
    nodes = _fuse(graph, ungrouped, mode)
    above = ancestors(nodes.before)
    too_many = _has_too_many(above)
    if too_many:
        mode = "throughput"
        nodes = _fuse(graph, ungrouped, mode)
        above = ancestors(nodes.before)
        if _has_too_many(above):
            raise ExhaustedError(
                f"The graph makes {len(nodes.steps)} stages that follow one another on changing "
                "nodes, too many to pass files between: let more of its steps ask for the same "
                "resources, or split the entrypoint."
            )
    story = Story(graph=graph, binding=binding, nodes=nodes, mode=mode, too_many=too_many)
    return Plan(
        description=_plain(description),
        stages=make_stages(description, options, story, above),
        plugins=tuple(sorted(options.plugins, key=lambda plugin: plugin.name)),
        artifact_tasks=_artifact_tasks(description, options),
        order=graph.names,
        mode=options.mode,
        environment=options.environment,
    )


def _has_too_many(above: Sequence[int]) -> bool:
    return sum(mask.bit_count() for mask in above) > _MOST_EDGES


def _group_bound(graph: StepGraph, binding: Binding) -> Nodes:
    """Each bound process as one group, every other step as its own."""
    phases: list[list[int]] = [[] for _ in range(max(binding.phase.values(), default=-1) + 1)]
    for step, phase in sorted(binding.phase.items()):
        phases[phase].append(step)
    alone = [[step] for step in range(len(graph.names)) if step not in binding.phase]
    in_order = [(one[-1], other[-1]) for one, other in pairwise(phases)]
    return make_nodes(graph, [*phases, *alone], in_order)


def _fuse(graph: StepGraph, nodes: Nodes, mode: Mode) -> Nodes:
    groups = fuse_chains(graph, nodes) if mode == "latency" else fuse_kinds(nodes)
    in_order = [
        (nodes.steps[other][-1], nodes.steps[node][0])
        for node, predecessors in enumerate(nodes.before)
        for other in predecessors
    ]
    return make_nodes(graph, groups, in_order)


def _artifact_tasks(
    description: Mapping[str, Any], options: PlanOptions
) -> tuple[tuple[str, str], ...]:
    outputs = description.get("artifact_outputs") or {}
    used = {output["task"]["name"] for output in outputs.values()}
    return tuple(
        (name, task) for name, task in sorted(options.artifact_tasks.items()) if name in used
    )


def _plain(value: Any) -> Any:
    """`value` without positions and other traits of the text that it was read from."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return set(value)
    return value
