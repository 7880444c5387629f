"""A graph of groups of steps, on the way from steps to stages."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dioptra_ray.planning.plan import Resources
from dioptra_ray.planning.resources import most
from dioptra_ray.planning.steps import StepGraph

Retries = tuple[int, tuple[str, ...], float]
"""How often, after what, and after how many seconds a step is repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """Groups of steps, numbered in a topological order.

    Attributes:
        steps: The steps of each, ascending.
        before: Groups that come directly before each, ascending.
        after: Groups that come directly after each, ascending.
        resources: What each asks for.
        retries: How each may be repeated: what its steps declare about that.
    """

    steps: tuple[tuple[int, ...], ...]
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]
    resources: tuple[Resources, ...]
    retries: tuple[frozenset[Retries], ...]

    def owners(self) -> dict[int, int]:
        """The group of each step."""
        return {step: node for node, steps in enumerate(self.steps) for step in steps}


def make_nodes(
    graph: StepGraph, groups: Iterable[Sequence[int]], extra_edges: Iterable[tuple[int, int]] = ()
) -> Nodes:
    """Number `groups` in a topological order, the one with the earliest step first.

    Args:
        graph: The steps.
        groups: Steps of each group; together they have each step once.
        extra_edges: Pairs of steps; the first one's group comes before the second one's.
    """
    members = sorted(tuple(sorted(group)) for group in groups)
    owner = {step: index for index, steps in enumerate(members) for step in steps}
    before: list[set[int]] = [set() for _ in members]
    for step, predecessors in enumerate(graph.before):
        before[owner[step]].update(owner[other] for other in predecessors)
    for first, second in extra_edges:
        before[owner[second]].add(owner[first])
    for index, found in enumerate(before):
        found.discard(index)
    order = _topological_order(before)
    number = {old: new for new, old in enumerate(order)}
    new_before = [tuple(sorted(number[other] for other in before[old])) for old in order]
    after: list[list[int]] = [[] for _ in order]
    for node, predecessors in enumerate(new_before):
        for other in predecessors:
            after[other].append(node)
    return Nodes(
        steps=tuple(members[old] for old in order),
        before=tuple(new_before),
        after=tuple(map(tuple, after)),
        resources=tuple(most(graph.resources[step] for step in members[old]) for old in order),
        retries=tuple(
            frozenset(
                (said.retries, said.retry_on or (), said.retry_delay or 0.0)
                for said in (graph.declarations[step] for step in members[old])
                if said.retries
            )
            for old in order
        ),
    )


def _topological_order(before: Sequence[set[int]]) -> list[int]:
    after: list[list[int]] = [[] for _ in before]
    waiting = [len(predecessors) for predecessors in before]
    for node, predecessors in enumerate(before):
        for other in predecessors:
            after[other].append(node)
    ready = [node for node, count in enumerate(waiting) if count == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        node = heapq.heappop(ready)
        order.append(node)
        for other in after[node]:
            waiting[other] -= 1
            if waiting[other] == 0:
                heapq.heappush(ready, other)
    if len(order) != len(before):
        raise AssertionError("groups of steps wait for each other")  # a bug in the grouping
    return order
