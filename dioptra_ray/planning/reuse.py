"""Which finished stages of a plan a later run need not run again."""

from collections.abc import Collection

from dioptra_ray.planning.plan import Plan


def reusable_stages(plan: Plan, saved: Collection[str]) -> tuple[str, ...]:
    """Those of `saved` before which no stage has to run again, in order.

    What a stage left belongs to what the stages before it left: a stage whose predecessor
    runs again, perhaps with another outcome, runs again too.
    """
    reused: list[str] = []
    for stage in plan.stages:
        if stage.name in saved and set(stage.after).issubset(reused):
            reused.append(stage.name)
    return tuple(reused)


def needed_stages(plan: Plan, finished: Collection[str]) -> tuple[str, ...]:
    """Those of `finished` from which a stage that is not finished takes something, in order."""
    wanted = {
        before for stage in plan.stages if stage.name not in finished for before in stage.after
    }
    return tuple(
        stage.name for stage in plan.stages if stage.name in finished and stage.name in wanted
    )
