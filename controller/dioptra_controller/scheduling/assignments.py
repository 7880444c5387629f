"""Assignments: filling free slots with jobs and trials, in one transaction."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dioptra_controller.artifacts import catalog
from dioptra_controller.database.engine import notify
from dioptra_controller.database.job_tables import JOBS, SWEEPS
from dioptra_controller.database.prepared import Prepared
from dioptra_controller.jobs.ledger import Ledger
from dioptra_controller.jobs.saved_stages import read_saved
from dioptra_controller.jobs.state import JobState
from dioptra_controller.jobs.sweep_counts import SweepState
from dioptra_controller.scheduling import leasing
from dioptra_controller.scheduling.decision import (
    Grant,
    QueueRule,
    RunnerRoom,
    WaitingJob,
    WaitingSweep,
    decide,
)
from dioptra_controller.scheduling.messages import ArtifactInput, Assignment, Lease
from dioptra_controller.scheduling.queue_rules import load_waiting
from dioptra_controller.scheduling.runners import serves
from dioptra_controller.scheduling.sessions import Introduction
from dioptra_controller.sweeps.spaces import Spaces
from dioptra_controller.sweeps.trials import make_trials

_QUEUED = JOBS.c.state == JobState.QUEUED.value
_LONGEST_IN = 500
_COLUMNS = (
    JOBS.c.id,
    JOBS.c.attempt,
    JOBS.c.runner_id,
    JOBS.c.plan_digest,
    JOBS.c.parameters,
    JOBS.c.artifact_inputs,
    JOBS.c.timeout_seconds,
    JOBS.c.entrypoint,
    JOBS.c.experiment,
    JOBS.c.reused_stages,
)


_LEASED = Prepared(sa.select(*_COLUMNS).where(JOBS.c.id == sa.bindparam("job")))
_LEASEHOLDERS = Prepared(
    sa.select(JOBS.c.runner_id, sa.func.count().label("held"))
    .where(JOBS.c.state == JobState.STARTED.value)
    .group_by(JOBS.c.runner_id)
)
_IN_QUEUE = JOBS.c.queue == sa.bindparam("queue")
_WAITING_JOBS = Prepared(
    sa.select(JOBS.c.id, JOBS.c.queue)
    .where(_QUEUED, _IN_QUEUE, JOBS.c.sweep_id.is_(None))
    .order_by(JOBS.c.id)
    .limit(sa.bindparam("room", type_=sa.Integer))
)
_WAITING_TRIALS = Prepared(
    sa.select(JOBS.c.id, JOBS.c.sweep_id)
    .where(_QUEUED, _IN_QUEUE, JOBS.c.sweep_id.is_not(None))
    .order_by(JOBS.c.id)
    .limit(sa.bindparam("room", type_=sa.Integer))
)
_OPEN_SWEEPS = (
    sa.select(SWEEPS.c.id, SWEEPS.c.queue, SWEEPS.c.started, SWEEPS.c.size, SWEEPS.c.next_trial)
    .where(
        SWEEPS.c.state == SweepState.STARTED.value,
        SWEEPS.c.queue.in_(sa.bindparam("queues", expanding=True)),
    )
    .order_by(SWEEPS.c.id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """How free slots were filled.

    Attributes:
        grants: What was decided.
        held: How many jobs each runner holds now.
        has_limit: Whether work may still wait for the limit of its queue, not for a slot.
    """

    grants: list[Grant]
    held: Mapping[str, int]
    has_limit: bool


def assign(
    connection: sa.Connection,
    runners: Iterable[Introduction],
    *,
    spaces: Spaces,
    singles_in_a_row: int,
    now: dt.datetime,
) -> Assigned:
    """Lease jobs to runners with free slots, making trials of sweeps as they are needed.

    The runners hear of it when the transaction commits.
    """
    runners = leasing.lock_runners(connection, runners)
    held = list_leaseholders(connection)
    rooms = list_rooms(runners, held)
    waiting = load_waiting(connection) if any(runner.free for runner in rooms) else {}
    has_limit = any(rule.limit for rule in waiting.values())
    grants = _decide(connection, rooms, waiting, singles_in_a_row)
    if not grants:
        return Assigned(grants=[], held=held, has_limit=has_limit)
    ledger = Ledger(connection, now)
    leased = [*_lease_existing(ledger, grants), *_lease_trials(ledger, grants, spaces)]
    ledger.write()
    for assignment in load_assignments(connection, leased):
        notify(connection, assignment)
    return Assigned(grants=grants, held=list_leaseholders(connection), has_limit=has_limit)


def list_rooms(runners: Iterable[Introduction], held: Mapping[str, int]) -> list[RunnerRoom]:
    """How much each runner can take that holds so many jobs."""
    return [
        RunnerRoom(
            runner_id=runner.runner_id,
            queues=frozenset(runner.queues),
            free=max(0, runner.slots - held.get(runner.runner_id, 0)),
        )
        for runner in runners
    ]


def list_leaseholders(connection: sa.Connection) -> dict[str, int]:
    """How many jobs each runner holds that holds any, connected or not."""
    return {row.runner_id: row.held for row in _LEASEHOLDERS.all(connection, {})}


def load_assignments(connection: sa.Connection, job_ids: Iterable[int]) -> list[Assignment]:
    """What their runners must know of leased jobs, by id."""
    ids = sorted(job_ids)
    found: list[Assignment] = []
    artifacts: dict[int, catalog.ArtifactRecord] = {}
    for begin in range(0, len(ids), _LONGEST_IN):
        for row in _read_leased(connection, ids[begin : begin + _LONGEST_IN]):
            given: dict[str, int] = json.loads(row.artifact_inputs)
            for artifact_id in given.values():
                if artifact_id not in artifacts:
                    artifacts[artifact_id] = catalog.get(connection, artifact_id)
            inputs = tuple(write_input(name, artifacts[number]) for name, number in given.items())
            found.append(
                Assignment(
                    runner_id=row.runner_id,
                    lease=Lease(row.id, row.attempt),
                    plan_digest=row.plan_digest,
                    parameters_json=row.parameters,
                    artifact_inputs=inputs,
                    timeout_seconds=row.timeout_seconds,
                    entrypoint=row.entrypoint,
                    experiment=row.experiment,
                    saved_stages=read_saved(row.reused_stages),
                )
            )
    return found


def _read_leased(connection: sa.Connection, ids: Sequence[int]) -> Sequence[Any]:
    if len(ids) == 1:
        return _LEASED.all(connection, {"job": ids[0]})
    query = sa.select(*_COLUMNS).where(JOBS.c.id.in_(ids))
    return connection.execute(query.order_by(JOBS.c.id)).all()


def _decide(
    connection: sa.Connection,
    rooms: Sequence[RunnerRoom],
    waiting: Mapping[str, QueueRule],
    singles_in_a_row: int,
) -> list[Grant]:
    open_rooms = [runner for runner in rooms if runner.free]
    room = sum(runner.free for runner in open_rooms)
    rules = {
        queue: rule
        for queue, rule in waiting.items()
        if not rule.is_full and any(serves(runner, queue) for runner in open_rooms)
    }
    if not rules:
        return []
    queues = sorted(rules)
    return decide(
        rooms,
        _waiting_jobs(connection, queues, room),
        _waiting_sweeps(connection, queues, room),
        rules=rules,
        singles_in_a_row=singles_in_a_row,
    )


# Queue by queue: the oldest jobs of all might be those of a queue that must wait.
def _waiting_jobs(connection: sa.Connection, queues: list[str], room: int) -> list[WaitingJob]:
    return [
        WaitingJob(job_id=row.id, queue=row.queue)
        for queue in queues
        for row in _WAITING_JOBS.all(connection, {"queue": queue, "room": room})
    ]


def _waiting_sweeps(connection: sa.Connection, queues: list[str], room: int) -> list[WaitingSweep]:
    sweeps = connection.execute(_OPEN_SWEEPS, {"queues": queues}).all()
    repeated: dict[int, list[int]] = {}
    for queue in sorted({row.queue for row in sweeps}):
        for row in _WAITING_TRIALS.all(connection, {"queue": queue, "room": room}):
            repeated.setdefault(row.sweep_id, []).append(row.id)
    return [
        WaitingSweep(
            sweep_id=row.id,
            queue=row.queue,
            running=row.started,
            repeated=tuple(repeated.get(row.id, ())),
            unmade=row.size - row.next_trial,
        )
        for row in sweeps
    ]


def _lease_existing(ledger: Ledger, grants: Sequence[Grant]) -> list[int]:
    runner_ids = {grant.job_id: grant.runner_id for grant in grants if grant.job_id is not None}
    leased = []
    for job_id, job in ledger.open(runner_ids).items():
        # Another transaction may have cancelled it since it was seen.
        if job.life.state is JobState.QUEUED:
            ledger.move(job, job.life.lease(runner_ids[job_id]))
            leased.append(job_id)
    return leased


def _lease_trials(ledger: Ledger, grants: Sequence[Grant], spaces: Spaces) -> list[int]:
    takers: dict[int, list[str]] = {}
    for grant in grants:
        if grant.job_id is None and grant.sweep_id is not None:
            takers.setdefault(grant.sweep_id, []).append(grant.runner_id)
    leased = []
    for sweep_id, runner_ids in sorted(takers.items()):
        made = make_trials(ledger, sweep_id, len(runner_ids), spaces)
        for job, runner_id in zip(made, runner_ids, strict=False):
            ledger.move(job, job.life.lease(runner_id))
            leased.append(job.id)
    return leased


def write_input(name: str, artifact: catalog.ArtifactRecord) -> ArtifactInput:
    """What a runner must know of an artifact that is given to a job."""
    return ArtifactInput(
        name=name,
        artifact_id=artifact.id,
        key=artifact.key,
        manifest_json=artifact.manifest_json,
        task=artifact.lineage.task,
        plugin_digest=artifact.lineage.plugin_digest,
        outputs=tuple(output for output, _ in artifact.lineage.outputs),
    )
