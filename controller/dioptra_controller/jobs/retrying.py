"""Repeating a job that has ended: from the beginning, or from where it failed."""

import datetime as dt
import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from dioptra_controller.access.caller import Role
from dioptra_controller.artifacts import catalog
from dioptra_controller.database.job_tables import JOBS
from dioptra_controller.jobs import belonging, metrics
from dioptra_controller.jobs.creation import Start, check_experiment, insert_job
from dioptra_controller.jobs.ledger import Ledger
from dioptra_controller.jobs.outline import load_plan
from dioptra_controller.jobs.records import JobRecord
from dioptra_controller.jobs.saved_stages import SavedStage, read_saved, write_saved
from dioptra_controller.jobs.state import JobState
from dioptra_controller.registry import entrypoints, queues
from dioptra_ray.errors import PreconditionError
from dioptra_ray.planning.plan import Plan
from dioptra_ray.planning.reuse import Parts, reusable_stages
from dioptra_ray.store.saved_stages import SavedOutputs

_REPEATED = (
    "experiment",
    "entrypoint",
    "entrypoint_snapshot",
    "snapshot_id",
    "queue",
    "description",
    "parameters",
    "artifact_inputs",
    "swaps",
    "plan_digest",
    "timeout_seconds",
)
_INSTEAD = "retry without --from-failed"


def retry_job(
    connection: sa.Connection,
    job_id: int,
    *,
    kept: Mapping[str, SavedOutputs] | None,
    now: dt.datetime,
    start: Start | None = None,
) -> JobRecord:
    """Queue a new job that repeats one that has ended.

    Args:
        connection: The transaction.
        job_id: The job to repeat.
        kept: What the store has of its finished stages, to run only the others; None to
            run all.
        now: The present time.
        start: See `insert_job`.

    Raises:
        NotFoundError: There is no such job.
        PreconditionError: It has not ended; or `kept` is given, and nothing can be reused.
        NotFoundError: Its experiment, its queue or an artifact was deleted since.
    """
    query = sa.select(*(JOBS.c[name] for name in _REPEATED), JOBS.c.state, JOBS.c.saved_stages)
    found = connection.execute(query.where(JOBS.c.id == job_id)).mappings().one_or_none()
    if found is None:
        raise belonging.not_found(job_id)
    belonging.require(connection, job_id, Role.SUBMITTER)
    if not JobState(found["state"]).is_final:
        raise PreconditionError(
            f"job {job_id} is {found['state']}; only a job that has ended can be repeated"
        )
    belongs = check_experiment(connection, found["experiment"])
    entrypoints.check_visible(connection, found["snapshot_id"])
    queues.get_id(connection, found["queue"])
    for artifact_id in json.loads(found["artifact_inputs"]).values():
        catalog.refuse_deleted(catalog.get(connection, artifact_id))
    row = {name: found[name] for name in _REPEATED} | belongs
    row["retry_of"] = job_id
    if kept is None:
        return insert_job(connection, row, now, start)
    plan = Plan.from_json(load_plan(connection, found["plan_digest"]))
    reused = _find_reused(job_id, found, plan, kept)
    row["reused_stages"] = write_saved(reused)
    again = insert_job(connection, row, now, start)
    last = _repeat_metrics(Ledger(connection, now), job_id, again.id, plan, reused)
    return replace(again, last_event=last)


def find_saved(connection: sa.Connection, job_id: int) -> tuple[SavedStage, ...]:
    """What was saved of a job.

    Raises:
        NotFoundError: There is no such job.
    """
    belonging.get_group(connection, job_id)
    query = sa.select(JOBS.c.saved_stages).where(JOBS.c.id == job_id)
    return read_saved(connection.execute(query).scalar_one_or_none())


def _find_reused(
    job_id: int,
    found: Mapping[Any, Any],
    plan: Plan,
    kept: Mapping[str, SavedOutputs],
) -> tuple[SavedStage, ...]:
    """What the retry reuses.

    Raises:
        PreconditionError: Nothing; says why.
    """
    saved = read_saved(found["saved_stages"])
    if found["state"] != JobState.FAILED.value:
        raise PreconditionError(
            f"job {job_id} has {_ENDINGS[found['state']]}, and only what a failed job had "
            f"finished is kept; {_INSTEAD}"
        )
    if len(plan.stages) == 1:
        raise PreconditionError(
            f"all steps of this job share one stage, so nothing can be reused; {_INSTEAD}"
        )
    if not saved:
        raise PreconditionError(
            f"nothing that job {job_id} had finished is kept: no stage had finished when it "
            "failed, or their outputs could not be kept, which its log says, or not any "
            f"longer; {_INSTEAD}"
        )
    if any(outputs.plan_digest not in {"", found["plan_digest"]} for outputs in kept.values()):
        raise PreconditionError(
            f"what is kept of job {job_id} was made by another plan, so it cannot be reused; "
            f"{_INSTEAD}"
        )
    names = set(reusable_stages(plan, {name: _parts(kept[name]) for name in kept}))
    if not names:
        raise PreconditionError(
            f"what job {job_id} had finished is no longer in the artifact store; {_INSTEAD}"
        )
    return tuple(one for one in saved if one.stage in names)


_ENDINGS = {JobState.FINISHED.value: "finished", JobState.CANCELLED.value: "been cancelled"}


def _parts(outputs: SavedOutputs) -> Parts:
    return Parts(exports=frozenset(outputs.exports), files=outputs.delta is not None)


def _repeat_metrics(
    ledger: Ledger, job_id: int, again: int, plan: Plan, reused: Collection[SavedStage]
) -> int:
    """Metrics of steps that do not run again are metrics of the retry all the same.

    Returns:
        The sequence of the retry's newest event.
    """
    stages = {one.stage for one in reused}
    steps = {step for stage in plan.stages if stage.name in stages for step in stage.steps}
    job = ledger.open([again])[again]
    for point in metrics.list_for_job(ledger.connection, job_id):
        if point.graph_step in steps:
            ledger.log_metric(job, point)
    ledger.write()
    return job.last_event
