"""Which steps a stage must replay first, and which promises only order can keep.

An order-only edge into another stage promises that side effects are seen. Files travel
with the workspace, but what a step did to its process, such as seeding a random number
generator, is gone: so the step runs again in the process that depends on it, after the
steps that it depends on in the same way.
"""

from dataclasses import dataclass

from dioptra_ray.planning.nodes import Nodes
from dioptra_ray.planning.plan import Resources
from dioptra_ray.planning.resources import fits
from dioptra_ray.planning.steps import StepGraph

_MOST_REPLAYED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How a stage keeps its order-only promises to steps of other stages.

    Attributes:
        replayed: Steps that run again first, ascending.
        only_ordered: Steps that cannot run again on its node: order and files must do.
    """

    replayed: tuple[int, ...] = ()
    only_ordered: tuple[int, ...] = ()


def find_setup(graph: StepGraph, nodes: Nodes, node: int) -> Setup:
    """How the stage `node` keeps its order-only promises."""
    own = set(nodes.steps[node])
    host = nodes.resources[node]
    wanted = [p for step in nodes.steps[node] for p in graph.order_only[step] if p not in own]
    replayed: set[int] = set()
    only_ordered: set[int] = set()
    while wanted:
        step = wanted.pop()
        if step in replayed or step in only_ordered:
            continue
        if len(replayed) < _MOST_REPLAYED and _can_run(graph.resources[step], host):
            replayed.add(step)
            wanted.extend(graph.order_only[step])
        else:
            only_ordered.add(step)
    return Setup(
        replayed=tuple(sorted(replayed)),
        only_ordered=tuple(sorted(only_ordered)),
    )


def _can_run(step: Resources, host: Resources) -> bool:
    # Fewer CPUs than asked for make a step slower; too little memory would kill it.
    return fits(step, host) and step.memory <= host.memory
