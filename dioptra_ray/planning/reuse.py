"""Which finished stages of a plan a later run need not run again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from dioptra_ray.planning.plan import Plan, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is kept of a finished stage.

    Attributes:
        exports: Its steps whose outputs are kept.
        files: Whether its new and changed files are kept.
    """

    exports: frozenset[str] = frozenset()
    files: bool = False


def reusable_stages(plan: Plan, kept: Mapping[str, Parts]) -> tuple[str, ...]:
    """The stages that need not run again when these are kept, in order.

    What a stage left belongs to what the stages before it left: a stage whose predecessor
    runs again, perhaps with another outcome, runs again too. And a stage runs again when
    one that does takes something of it that is not kept.
    """
    reused = set(kept)
    while True:
        lost = {
            stage.name
            for stage in plan.stages
            if stage.name in reused and not reused.issuperset(stage.after)
        }
        for stage in plan.stages:
            if stage.name not in reused:
                lost.update(name for name in _incomplete(stage, kept) if name in reused)
        if not lost:
            return tuple(stage.name for stage in plan.stages if stage.name in reused)
        reused -= lost


def needed_stages(plan: Plan, finished: Collection[str]) -> tuple[str, ...]:
    """Those of `finished` that a stage that is not finished follows, in order."""
    wanted = {
        before for stage in plan.stages if stage.name not in finished for before in stage.after
    }
    return tuple(
        stage.name for stage in plan.stages if stage.name in finished and stage.name in wanted
    )


def _incomplete(stage: Stage, kept: Mapping[str, Parts]) -> set[str]:
    """The stages of which it takes something that is not kept."""
    nothing = Parts()
    return {
        given.stage
        for given in stage.inputs
        if given.step not in kept.get(given.stage, nothing).exports
    } | {name for name in stage.workspace if not kept.get(name, nothing).files}
