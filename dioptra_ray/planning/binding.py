"""Which steps share the bound process, and where that process must be cut in two.

All bound steps belong in one process. Two kinds of free steps go with them when they can
run on the same nodes:

- one that has an order-only edge to a bound step, since the edge promises that side
  effects are seen, and
- one that lies between two bound steps, since otherwise the stages would wait for each
  other.

Where a step lies between bound steps and *cannot* go with them, as a GPU step between CPU
steps, the bound process is cut: its steps before that one make one phase, those after it
the next. Within and across phases bound steps keep Dioptra's order.
"""

from dataclasses import dataclass

from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.planning.plan import Resources
from dioptra_ray.planning.resources import fits, most
from dioptra_ray.planning.steps import StepGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Who shares the bound process.

    Attributes:
        phase: Number of the bound process that each of these steps is part of.
        attached: Of the free ones that have an order-only edge to a bound one, that one.
        between: The free ones that lie between bound ones.
        cuts: For each phase but the first, a step that had to run before it elsewhere.
    """

    phase: dict[int, int]
    attached: dict[int, int]
    between: frozenset[int]
    cuts: tuple[int, ...]


def bind(graph: StepGraph) -> Binding:
    """Find the phases of the bound process and their steps.

    Raises:
        InvalidRequestError: Steps that must share a process ask for different nodes.
    """
    bound = [step for step, is_bound in enumerate(graph.bound) if is_bound]
    if not bound:
        return Binding(phase={}, attached={}, between=frozenset(), cuts=())
    host = _host(graph, bound)
    able = [fits(resources, host) for resources in graph.resources]
    attached = _attach(graph, bound, able)
    members = {*bound, *attached}
    phase, last_above, cuts = _phases(graph, members, able)
    first_below = _first_below(graph, phase)
    between = frozenset(
        step
        for step, above in enumerate(last_above)
        if step not in members and above >= 0 and above == first_below[step]
    )
    return Binding(
        phase={**phase, **{step: last_above[step] for step in between}},
        attached=attached,
        between=between,
        cuts=cuts,
    )


def _host(graph: StepGraph, bound: list[int]) -> Resources:
    labels: dict[str, tuple[str, int]] = {}
    for step in bound:
        for key, value in graph.resources[step].labels:
            other, by = labels.setdefault(key, (value, step))
            if other != value:
                raise InvalidRequestError(
                    f"Steps {graph.names[by]!r} and {graph.names[step]!r} share one process, "
                    f"but ask for nodes with different labels: {key}={other} and {key}={value}. "
                    "Declare one of them parallel, or give both the same label."
                )
    return most(graph.resources[step] for step in bound)


def _attach(graph: StepGraph, bound: list[int], able: list[bool]) -> dict[int, int]:
    """Free steps that an order-only edge ties to the bound process, directly or by others."""
    neighbours: list[list[int]] = [[] for _ in graph.names]
    for step, predecessors in enumerate(graph.order_only):
        for predecessor in predecessors:
            neighbours[step].append(predecessor)
            neighbours[predecessor].append(step)
    attached: dict[int, int] = {}
    pending = list(reversed(bound))
    while pending:
        step = pending.pop()
        for other in sorted(neighbours[step]):
            if able[other] and not graph.bound[other] and other not in attached:
                attached[other] = step
                pending.append(other)
    return attached


def _phases(
    graph: StepGraph, members: set[int], able: list[bool]
) -> tuple[dict[int, int], list[int], tuple[int, ...]]:
    """The phase of each member; the last phase above each step (-1: none); the cuts."""
    phase: dict[int, int] = {}
    above = [-1] * len(graph.names)
    needs = [0] * len(graph.names)  # the earliest phase of a member directly after the step
    culprit = [-1] * len(graph.names)
    cuts: list[int] = []
    for step, predecessors in enumerate(graph.before):
        for other in predecessors:
            above[step] = max(above[step], phase.get(other, above[other]))
            if needs[other] > needs[step]:
                needs[step], culprit[step] = needs[other], culprit[other]
        if step in members:
            if needs[step] > len(cuts):
                cuts.append(culprit[step])
            needs[step] = phase[step] = len(cuts)
        elif not able[step] and above[step] >= needs[step]:
            needs[step], culprit[step] = above[step] + 1, step
    return phase, above, tuple(cuts)


def _first_below(graph: StepGraph, phase: dict[int, int]) -> list[int]:
    """The first phase below each step; larger than any phase when there is none."""
    none = len(graph.names)
    below = [none] * none
    for step in range(none - 1, -1, -1):
        for other in graph.after[step]:
            below[step] = min(below[step], phase.get(other, below[other]))
    return below
