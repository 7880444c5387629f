"""Fusing groups of steps into fewer stages, without ever making a cycle."""

from bisect import bisect_right
from collections.abc import Sequence

from dioptra_ray.planning.nodes import Nodes
from dioptra_ray.planning.reachability import unreached
from dioptra_ray.planning.resources import Kind, kind
from dioptra_ray.planning.steps import StepGraph


def fuse_chains(graph: StepGraph, nodes: Nodes) -> list[list[int]]:
    """Fuse what could not run side by side anyway, for the shortest time of one job.

    A node is fused with the next one when everything that comes after it comes after the
    next one too, everything that comes before the next one comes before it too, and both
    ask for the same resources and retries. Fusing such pairs keeps exactly the
    parallelism that there is.

    Returns:
        The steps of each new group.
    """
    chained = _chains(nodes)
    heads = set(chained.values())
    for node, follower in _sole_order_only(graph, nodes).items():
        if node not in chained and follower not in heads and _alike(nodes, node, follower):
            chained[node] = follower
            heads.add(follower)
    groups: list[list[int]] = []
    group_of: dict[int, list[int]] = {}
    for node in range(len(nodes.steps)):
        group = group_of.get(node)
        if group is None:
            group = []
            groups.append(group)
        group += nodes.steps[node]
        if node in chained:
            group_of[chained[node]] = group
    return groups


def fuse_kinds(nodes: Nodes) -> list[list[int]]:
    """Fuse as far as resources allow, for the most jobs of a full cluster.

    A node's depth is the largest number of changes of the kind of resources on a way to
    it; nodes of one kind and depth are fused. An edge between two of them leads to a
    larger depth, or stays within one, so no cycle can come up. Then each node moves as
    deep as its successors and the groups that there are allow, which empties some.

    Returns:
        The steps of each new group.
    """
    kinds = [kind(resources) for resources in nodes.resources]
    depth: list[int] = []
    for node, predecessors in enumerate(nodes.before):
        depth.append(max((depth[p] + (kinds[p] != kinds[node]) for p in predecessors), default=0))
    levels = _levels_by_kind(kinds, depth)
    for node in range(len(nodes.steps) - 1, -1, -1):
        own = levels[kinds[node]]
        limit = min(
            (depth[s] - (kinds[s] != kinds[node]) for s in nodes.after[node]), default=own[-1]
        )
        depth[node] = own[bisect_right(own, limit) - 1]
    groups: dict[tuple[int, Kind], list[int]] = {}
    for node, steps in enumerate(nodes.steps):
        groups.setdefault((depth[node], kinds[node]), []).extend(steps)
    return list(groups.values())


def _levels_by_kind(kinds: Sequence[Kind], depth: Sequence[int]) -> dict[Kind, list[int]]:
    found: dict[Kind, set[int]] = {}
    for one, level in zip(kinds, depth, strict=True):
        found.setdefault(one, set()).add(level)
    return {one: sorted(levels) for one, levels in found.items()}


def _chains(nodes: Nodes) -> dict[int, int]:
    """Each node that has exactly one next one, which has no other before it: that one."""
    candidates = _candidates(nodes)
    downwards = {
        follower: [other for other in nodes.after[node] if other != follower]
        for node, follower in candidates.items()
        if len(nodes.after[node]) > 1
    }
    upwards = {
        node: [other for other in nodes.before[follower] if other != node]
        for node, follower in candidates.items()
        if len(nodes.before[follower]) > 1
    }
    branching = unreached(nodes.after, downwards, downwards=True)
    joining = unreached(nodes.before, upwards, downwards=False)
    return {
        node: follower
        for node, follower in candidates.items()
        if follower not in branching and node not in joining
    }


def _candidates(nodes: Nodes) -> dict[int, int]:
    """Pairs that may be chained: the only ones that need a look at the whole graph."""
    level: list[int] = []
    for predecessors in nodes.before:
        level.append(1 + max((level[other] for other in predecessors), default=-1))
    # In a chain the next node is the only one a level below, and this one the only one a
    # level above it: all others are further away.
    only_above = [_only(before, level, level[node] - 1) for node, before in enumerate(nodes.before)]
    found = {}
    for node, followers in enumerate(nodes.after):
        follower = _only(followers, level, level[node] + 1)
        if follower is None or only_above[follower] != node:
            continue
        if _alike(nodes, node, follower):
            found[node] = follower
    return found


def _only(nodes: Sequence[int], level: Sequence[int], wanted: int) -> int | None:
    """The only one of `nodes` on the level; None when there is none or more than one."""
    found = [node for node in nodes if level[node] == wanted]
    return found[0] if len(found) == 1 else None


def _alike(nodes: Nodes, one: int, other: int) -> bool:
    return (
        nodes.resources[one] == nodes.resources[other]
        and nodes.retries[one] == nodes.retries[other]
    )


def _sole_order_only(graph: StepGraph, nodes: Nodes) -> dict[int, int]:
    """Nodes whose side effects serve exactly one other node, and their values none: that one.

    They share its stage, so that they need not be replayed there.
    """
    owner = nodes.owners()
    valued = {
        owner[producer]
        for step, producers in enumerate(graph.data)
        for producer in producers
        if owner[producer] != owner[step]
    }
    return {
        node: followers[0]
        for node, followers in enumerate(nodes.after)
        if len(followers) == 1 and node not in valued
    }
