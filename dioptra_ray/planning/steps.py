"""The steps of a description as the planner sees them: numbered in Dioptra's order.

A step's predecessors have smaller numbers, so a loop over the numbers is a walk in
topological order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dioptra_ray.language.graph import execution_order, find_references, links, read_invocation
from dioptra_ray.planning.declarations import NOTHING, Declaration, read_declaration
from dioptra_ray.planning.options import PlanOptions
from dioptra_ray.planning.plan import Resources
from dioptra_ray.planning.resources import resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class StepGraph:
    """The steps, by number.

    Attributes:
        names: Their names.
        data: Steps whose values each takes, ascending.
        order_only: Further steps that each comes after, ascending.
        before: Both together, ascending.
        after: Steps that come directly after each, ascending.
        declarations: What each says, all sources merged.
        resources: What each asks for.
        bound: Whether each shares the process of all others that are bound.
        contents: Steps whose values the artifact outputs hold, ascending.
    """

    names: tuple[str, ...]
    data: tuple[tuple[int, ...], ...]
    order_only: tuple[tuple[int, ...], ...]
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]
    declarations: tuple[Declaration, ...]
    resources: tuple[Resources, ...]
    bound: tuple[bool, ...]
    contents: tuple[int, ...]


def read_steps(description: Mapping[str, Any], options: PlanOptions) -> StepGraph:
    """Number the steps and find out what they say."""
    names = tuple(execution_order(description))
    number = {name: index for index, name in enumerate(names)}
    found = links(description)
    data = tuple(tuple(sorted(number[name] for name in found[step].data)) for step in names)
    order = tuple(tuple(sorted(number[name] for name in found[step].order_only)) for step in names)
    before = tuple(tuple(sorted((*one, *other))) for one, other in zip(data, order, strict=True))
    after: list[list[int]] = [[] for _ in names]
    for step, predecessors in enumerate(before):
        for predecessor in predecessors:
            after[predecessor].append(step)
    declarations = _declarations(description, options, names)
    return StepGraph(
        names=names,
        data=data,
        order_only=order,
        before=before,
        after=tuple(map(tuple, after)),
        declarations=declarations,
        resources=tuple(resolve(said, options.defaults) for said in declarations),
        bound=tuple(not _is_free(said) for said in declarations),
        contents=_contents(description, number),
    )


def _declarations(
    description: Mapping[str, Any], options: PlanOptions, names: tuple[str, ...]
) -> tuple[Declaration, ...]:
    """Weakest first: the task's, the entrypoint's, the step's own."""
    execution = description.get("execution") or {}
    entrypoint = Declaration(parallel=execution.get("parallel"))
    by_step = execution.get("steps") or {}
    merged = []
    for name in names:
        task = read_invocation(description["graph"][name]).task
        said = entrypoint.merged_over(options.declarations.get(task, NOTHING))
        if own := by_step.get(name):
            said = read_declaration(own).merged_over(said)
        merged.append(said)
    return tuple(merged)


def _is_free(said: Declaration) -> bool:
    if said.parallel is not None:
        return said.parallel
    return said.asks_for_resources


def _contents(description: Mapping[str, Any], number: Mapping[str, int]) -> tuple[int, ...]:
    parameters = description.get("parameters") or {}
    outputs = description.get("artifact_outputs") or {}
    return tuple(
        sorted(
            {
                number[reference.name]
                for output in outputs.values()
                for reference in find_references(output["contents"])
                if reference.name in number
                and (reference.output is not None or reference.name not in parameters)
            }
        )
    )
