"""The short way of a job to a runner: leased in the transaction that makes it.

Most jobs come when a runner has room and nobody waits. Deciding about them later, in a
transaction of its own, would double the time until they run. Whoever waits goes first, so
a job that finds anybody waiting in its queue, or in one of a higher priority, waits as well,
for the ordinary decision.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from dioptra_controller.artifacts import catalog
from dioptra_controller.database.engine import notify
from dioptra_controller.database.job_tables import JOBS, SWEEPS
from dioptra_controller.database.prepared import Prepared
from dioptra_controller.jobs.creation import Place
from dioptra_controller.jobs.open_jobs import OpenJob
from dioptra_controller.jobs.saved_stages import read_saved
from dioptra_controller.jobs.state import JobState
from dioptra_controller.jobs.sweep_counts import SweepState
from dioptra_controller.scheduling import leasing
from dioptra_controller.scheduling.assignments import list_leaseholders, list_rooms, write_input
from dioptra_controller.scheduling.decision import RunnerRoom, WaitingJob, decide
from dioptra_controller.scheduling.messages import Assignment, Lease
from dioptra_controller.scheduling.queue_rules import load_waiting, look_around
from dioptra_controller.scheduling.runners import serves
from dioptra_controller.scheduling.sessions import Introduction

_NOT_MADE = 0
_OTHERS = Prepared(
    sa.union_all(
        sa.select(JOBS.c.id).where(
            JOBS.c.state == JobState.QUEUED.value,
            JOBS.c.queue == sa.bindparam("queue"),
        ),
        sa.select(SWEEPS.c.id).where(
            SWEEPS.c.state == SweepState.STARTED.value, SWEEPS.c.queue == sa.bindparam("queue")
        ),
    ).limit(1)
)


def start(runners: Iterable[Introduction], connection: sa.Connection, queue: str) -> Place | None:
    """Find a place for a job that is about to be made, unless others wait or none has room."""
    runners = leasing.lock_runners(connection, runners)
    if not runners:
        return None
    around = look_around(connection, queue)
    if around.rule.is_full:
        return None
    rooms = list_rooms(runners, list_leaseholders(connection))
    if around.others_wait and _is_behind(connection, queue, around.rule.priority, rooms):
        return None
    grants = decide(rooms, [WaitingJob(job_id=_NOT_MADE, queue=queue)], ())
    if not grants:
        return None
    runner_id = grants[0].runner_id
    return Place(runner_id=runner_id, give=partial(_give, connection, runner_id))


def _give(connection: sa.Connection, runner_id: str, job: OpenJob, row: Mapping[str, Any]) -> None:
    given: Mapping[str, int] = json.loads(row["artifact_inputs"])
    notify(
        connection,
        Assignment(
            runner_id=runner_id,
            lease=Lease(job.id, job.life.attempt),
            plan_digest=row["plan_digest"],
            parameters_json=row["parameters"],
            artifact_inputs=tuple(
                write_input(name, catalog.get(connection, number)) for name, number in given.items()
            ),
            timeout_seconds=row["timeout_seconds"],
            entrypoint=row["entrypoint"],
            experiment=row["experiment"],
            saved_stages=read_saved(row.get("reused_stages")),
        ),
    )


def _is_behind(
    connection: sa.Connection, queue: str, priority: int, rooms: Sequence[RunnerRoom]
) -> bool:
    """Whether others in its queue go first, or others of a queue that goes before its."""
    if _OTHERS.first(connection, {"queue": queue}) is not None:
        return True
    return any(
        rule.priority > priority
        and not rule.is_full
        and any(room.free and serves(room, other) for room in rooms)
        for other, rule in load_waiting(connection).items()
    )
