"""Which values a stage takes as they lie in shared memory, and which it must copy.

A step may change what it is given, as in Dioptra, unless it declares `readonly`. What it
returns may be a part of what it was given, so that counts for the steps after it as well:
a value stays uncopied when every step of the stage that it reaches, directly or through
others, declares `readonly`, and no artifact task takes it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dioptra_ray.planning.steps import StepGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """How one stage takes its inputs.

    Attributes:
        readonly: Steps of other stages whose values it does not copy.
        copied: Those that it copies although a step that takes them declares `readonly`;
            each with the step to blame, or None for an artifact task.
    """

    readonly: frozenset[int] = frozenset()
    copied: tuple[tuple[int, int | None], ...] = ()


def find_copying(
    graph: StepGraph, here: Collection[int], taken: Sequence[int], written: Collection[int]
) -> Copying:
    """Decide for each input of a stage.

    Args:
        graph: The steps.
        here: The stage's steps, replayed ones included.
        taken: Steps of other stages whose values it takes, ascending.
        written: Steps whose values its artifact tasks take.
    """
    takers: dict[int, list[int]] = {}
    for step in sorted(here):
        for producer in graph.data[step]:
            takers.setdefault(producer, []).append(step)
    culprit: dict[int, int] = {}
    for step in sorted(here, reverse=True):
        if not graph.declarations[step].readonly:
            culprit[step] = step
        elif (found := _first(takers.get(step, ()), culprit)) is not None:
            culprit[step] = found
    readonly, copied = set(), []
    for producer in taken:
        own = takers.get(producer, ())
        blamed = _first(own, culprit)
        if own and blamed is None and producer not in written:
            readonly.add(producer)
        elif any(graph.declarations[step].readonly for step in own):
            copied.append((producer, blamed))
    return Copying(readonly=frozenset(readonly), copied=tuple(copied))


def _first(steps: Sequence[int], culprit: dict[int, int]) -> int | None:
    return next((culprit[step] for step in steps if step in culprit), None)
