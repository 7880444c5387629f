"""Stages of an earlier job that need not run again: finding them, and loading what they left."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from ray.exceptions import RayError, RayTaskError

from dioptra_ray.errors import DioptraError
from dioptra_ray.planning.plan import Plan
from dioptra_ray.planning.reuse import Parts, reusable_stages
from dioptra_ray.store import open_store
from dioptra_ray.store.saved_stages import SavedOutputs, find_outputs
from dioptra_workers.runner.orders import JobOrder
from dioptra_workers.runner.stages import StageState
from dioptra_workers.stage.request import StageReport
from dioptra_workers.stage.saved import Reused

States = Mapping[str, StageState]


async def find(
    order: JobOrder, states: States, store_url: str, warn: Callable[[str], None]
) -> None:
    """Mark the stages that need not run, as far as the store has what they left."""
    saved = {one.stage: one for one in order.saved_stages}
    folders = {name: one.key for name, one in saved.items()}
    try:
        found = await asyncio.to_thread(lambda: find_outputs(open_store(store_url), folders))
    except DioptraError as error:
        warn(f"All stages run again: what was kept for a retry cannot be read: {error}")
        return
    kept = {
        name: outputs
        for name, outputs in found.items()
        if outputs.plan_digest in {"", order.plan_digest}
    }
    names = reusable_stages(order.plan, {name: parts(kept[name]) for name in kept})
    for name in names:
        states[name].reused = Reused(job_id=saved[name].job_id, outputs=kept[name])
    if gone := [name for name in saved if name not in names]:
        warn(f"Stages {', '.join(gone)} run again: what was kept of them is gone.")


def parts(outputs: SavedOutputs) -> Parts:
    """What is kept of a stage, without where."""
    return Parts(exports=frozenset(outputs.exports), files=outputs.delta is not None)


def load(
    state: StageState, states: States
) -> Coroutine[Any, Any, tuple[StageState, int, StageReport | RayError]]:
    """Have Ray load what a stage left; its references are there when this returns."""
    from dioptra_workers.stage.remote import load_task  # noqa: PLC0415 - needs Ray

    request, reused = state.request, state.reused
    assert reused is not None  # noqa: S101 - nobody else calls it
    labels = _labels_of_takers(state, states)
    options = {"label_selector": labels} if labels else {}
    task = load_task.options(num_returns=request.num_returns, **options)
    returned = task.remote(request, reused)
    references = returned if isinstance(returned, list) else [returned]
    # What is not kept is never taken: it is as if it had been released.
    first = len(references) - len(request.stage.exports) - request.shares_files
    for place, step in enumerate(request.stage.exports, start=first):
        if step not in reused.outputs.exports:
            references[place] = None
    if request.shares_files and reused.outputs.delta is None:
        references[-1] = None
    state.returns = references
    return _result(state, request.round, references[0])


def drop(plan: Plan, states: States, lost: str) -> list[str]:
    """Let a stage run that cannot be loaded; all that have to run now, because of it."""
    before = {name for name, state in states.items() if state.reused is not None}
    kept = {
        name: parts(reused.outputs)
        for name in before - {lost}
        if (reused := states[name].reused) is not None
    }
    run = before.difference(reusable_stages(plan, kept))
    for name in run:
        states[name].reused = None
    return sorted(run)


def why(error: RayError) -> str:
    """What went wrong, in a sentence."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    return str(cause).partition("\n")[0]


async def _result(
    state: StageState, tried: int, reference: Any
) -> tuple[StageState, int, StageReport | RayError]:
    try:
        report: StageReport = await reference
    except RayError as error:
        return state, tried, error
    return state, tried, report


def _labels_of_takers(state: StageState, states: States) -> dict[str, str]:
    """The labels of the nodes where what a stage left is needed, if they are the same."""
    name = state.stage.name
    wishes = {
        other.stage.resources.labels
        for other in states.values()
        if other.reused is None and name in other.stage.after
    }
    return dict(wishes.pop()) if len(wishes) == 1 else {}
