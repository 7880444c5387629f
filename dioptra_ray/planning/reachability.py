"""Which nodes of an acyclic graph lead to which, for many questions at once.

Sets of nodes are bits of integers, so a union costs a few machine words; questions are
answered some thousand sources at a time, so memory stays linear in the graph.
"""

from collections.abc import Iterable, Mapping, Sequence

_BATCH = 4096


def unreached(
    edges: Sequence[Sequence[int]], questions: Mapping[int, Iterable[int]], *, downwards: bool
) -> set[int]:
    """The sources of `questions` that do not lead to all of their targets.

    Args:
        edges: For each node the nodes that it leads to directly.
        questions: Targets by source.
        downwards: Whether edges lead to larger numbers (else: to smaller ones).
    """
    sources = sorted(questions)
    failed: set[int] = set()
    for begin in range(0, len(sources), _BATCH):
        batch = sources[begin : begin + _BATCH]
        reached = _reached_by(edges, batch, downwards=downwards)
        for bit, source in enumerate(batch):
            if not all(reached[target] >> bit & 1 for target in questions[source]):
                failed.add(source)
    return failed


def _reached_by(
    edges: Sequence[Sequence[int]], sources: Sequence[int], *, downwards: bool
) -> list[int]:
    """For each node the bits of the sources that lead to it."""
    reached = [0] * len(edges)
    for bit, source in enumerate(sources):
        reached[source] |= 1 << bit
    nodes = range(len(edges)) if downwards else range(len(edges) - 1, -1, -1)
    for node in nodes:
        if mask := reached[node]:
            for other in edges[node]:
                reached[other] |= mask
    return reached


def ancestors(before: Sequence[Sequence[int]]) -> list[int]:
    """For each node the bits of all nodes above it; predecessors have smaller numbers."""
    above: list[int] = []
    for predecessors in before:
        mask = 0
        for other in predecessors:
            mask |= above[other] | 1 << other
        above.append(mask)
    return above


def members(mask: int) -> list[int]:
    """The numbers of the bits that are set, ascending."""
    digits = bin(mask)[:1:-1]
    found = []
    at = digits.find("1")
    while at >= 0:
        found.append(at)
        at = digits.find("1", at + 1)
    return found
