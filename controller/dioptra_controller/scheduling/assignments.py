"""Assignments: filling free slots with jobs and trials, in one transaction."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from dioptra_controller.artifacts import catalog
from dioptra_controller.database.engine import notify
from dioptra_controller.database.job_tables import JOBS, SWEEPS
from dioptra_controller.database.prepared import Prepared
from dioptra_controller.jobs.ledger import Ledger
from dioptra_controller.jobs.saved_stages import read_saved
from dioptra_controller.jobs.state import JobState
from dioptra_controller.jobs.sweep_counts import SweepState
from dioptra_controller.scheduling.decision import (
    Grant,
    RunnerRoom,
    WaitingJob,
    WaitingSweep,
    decide,
)
from dioptra_controller.scheduling.messages import ArtifactInput, Assignment, Lease
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


_LEASEHOLDERS = Prepared(
    sa.select(JOBS.c.runner_id, sa.func.count().label("held"))
    .where(JOBS.c.state == JobState.STARTED.value)
    .group_by(JOBS.c.runner_id)
)
_IN_QUEUES = JOBS.c.queue.in_(sa.bindparam("queues", expanding=True))
_WAITING_JOBS = (
    sa.select(JOBS.c.id, JOBS.c.queue)
    .where(_QUEUED, _IN_QUEUES, JOBS.c.sweep_id.is_(None))
    .order_by(JOBS.c.id)
    .limit(sa.bindparam("room", type_=sa.Integer))
)
_WAITING_TRIALS = (
    sa.select(JOBS.c.id, JOBS.c.sweep_id)
    .where(_QUEUED, _IN_QUEUES, JOBS.c.sweep_id.is_not(None))
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


def assign(
    connection: sa.Connection,
    runners: Iterable[Introduction],
    *,
    spaces: Spaces,
    singles_in_a_row: int,
    now: dt.datetime,
) -> tuple[list[Grant], dict[str, int]]:
    """Lease jobs to runners with free slots, making trials of sweeps as they are needed.

    The runners hear of it when the transaction commits.

    Returns:
        What was decided, and how many jobs each runner holds then.
    """
    held = list_leaseholders(connection)
    rooms = list_rooms(runners, held)
    grants = _decide(connection, rooms, singles_in_a_row)
    if not grants:
        return [], held
    ledger = Ledger(connection, now)
    leased = [*_lease_existing(ledger, grants), *_lease_trials(ledger, grants, spaces)]
    ledger.write()
    for assignment in load_assignments(connection, leased):
        notify(connection, assignment)
    return grants, list_leaseholders(connection)


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
        query = sa.select(*_COLUMNS).where(JOBS.c.id.in_(ids[begin : begin + _LONGEST_IN]))
        for row in connection.execute(query.order_by(JOBS.c.id)):
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


def _decide(
    connection: sa.Connection, rooms: Sequence[RunnerRoom], singles_in_a_row: int
) -> list[Grant]:
    room = sum(runner.free for runner in rooms)
    queues = sorted({queue for runner in rooms if runner.free for queue in runner.queues})
    if not queues:
        return []
    return decide(
        rooms,
        _waiting_jobs(connection, queues, room),
        _waiting_sweeps(connection, queues, room),
        singles_in_a_row=singles_in_a_row,
    )


def _waiting_jobs(connection: sa.Connection, queues: list[str], room: int) -> list[WaitingJob]:
    rows = connection.execute(_WAITING_JOBS, {"queues": queues, "room": room})
    return [WaitingJob(job_id=row.id, queue=row.queue) for row in rows]


def _waiting_sweeps(connection: sa.Connection, queues: list[str], room: int) -> list[WaitingSweep]:
    repeated: dict[int, list[int]] = {}
    for row in connection.execute(_WAITING_TRIALS, {"queues": queues, "room": room}):
        repeated.setdefault(row.sweep_id, []).append(row.id)
    return [
        WaitingSweep(
            sweep_id=row.id,
            queue=row.queue,
            running=row.started,
            repeated=tuple(repeated.get(row.id, ())),
            unmade=row.size - row.next_trial,
        )
        for row in connection.execute(_OPEN_SWEEPS, {"queues": queues})
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
