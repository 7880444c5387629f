"""Leases: giving jobs to runners, and taking them back when a runner is gone or too late."""

import datetime as dt
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from dioptra_controller.database.engine import notify
from dioptra_controller.database.job_tables import JOBS, RUNNERS
from dioptra_controller.jobs.ledger import Ledger
from dioptra_controller.jobs.notices import StopWanted
from dioptra_controller.jobs.open_jobs import OpenJob
from dioptra_controller.jobs.reports import LEVELS, Failure, LogLine
from dioptra_controller.jobs.state import JobState
from dioptra_controller.scheduling.assignments import load_assignments
from dioptra_controller.scheduling.messages import Cancellation, Greeting, Lease

_STARTED = JOBS.c.state == JobState.STARTED.value


def greet(
    connection: sa.Connection,
    runner_id: str,
    name: str,
    held: Iterable[Lease],
    *,
    now: dt.datetime,
) -> Greeting:
    """Compare what a connecting runner holds with what it should.

    What it was given but never heard of is assigned again; what was cancelled meanwhile is
    to be stopped; what it holds wrongly is revoked.
    """
    query = sa.select(RUNNERS.c.committed_sequence).where(RUNNERS.c.runner_id == runner_id)
    committed = connection.execute(query.with_for_update()).scalar_one_or_none()
    if committed is None:
        row = {"runner_id": runner_id, "name": name, "committed_sequence": 0, "connect_time": now}
        connection.execute(sa.insert(RUNNERS).values(**row))
    columns = (JOBS.c.id, JOBS.c.attempt, JOBS.c.cancel_requested)
    leased = {
        Lease(row.id, row.attempt): row.cancel_requested
        for row in connection.execute(
            sa.select(*columns)
            .where(_STARTED, JOBS.c.runner_id == runner_id)
            .order_by(JOBS.c.id)
            .with_for_update()
        )
    }
    claimed = list(dict.fromkeys(held))
    unheard = [lease.job_id for lease in leased if lease not in claimed]
    stops = [Cancellation(lease) for lease, stop in leased.items() if stop]
    return Greeting(
        committed_sequence=committed or 0,
        revoked=tuple(lease for lease in claimed if lease not in leased),
        first=(*load_assignments(connection, unheard), *stops),
    )


def list_leaseholders(connection: sa.Connection) -> dict[str, int]:
    """How many jobs each runner holds that holds any, connected or not."""
    query = sa.select(JOBS.c.runner_id, sa.func.count()).where(_STARTED).group_by(JOBS.c.runner_id)
    return dict(connection.execute(query).tuples().all())


def expire(connection: sa.Connection, runner_ids: Sequence[str], *, now: dt.datetime) -> int:
    """Take the jobs of lost runners back; return how many there were."""
    ledger = Ledger(connection, now)
    lost = ledger.open_where(_STARTED & JOBS.c.runner_id.in_(runner_ids))
    query = sa.select(RUNNERS.c.runner_id, RUNNERS.c.name)
    query = query.where(RUNNERS.c.runner_id.in_(runner_ids))
    names = dict(connection.execute(query).tuples().all())
    for job in lost:
        _lose(ledger, job, names.get(job.life.runner_id or "", "?"))
    ledger.write()
    return len(lost)


def fail_overdue(connection: sa.Connection, *, now: dt.datetime, grace: dt.timedelta) -> int:
    """Fail the jobs that their runners should have stopped `grace` ago; return how many."""
    ledger = Ledger(connection, now)
    overdue = ledger.open_where(_STARTED & (JOBS.c.deadline < now - grace))
    for job in overdue:
        life = job.life
        if life.runner_id is not None:
            notify(connection, StopWanted(life.runner_id, job.id, life.attempt))
        message = (
            f"the job ran longer than its limit of {job.timeout_seconds:g} seconds, "
            "and its runner did not stop it"
        )
        failure = Failure(reason="TIMEOUT", message=message)
        ledger.move(job, life.end(JobState.FAILED), failure=failure)
    ledger.write()
    return len(overdue)


def has_overdue(connection: sa.Connection, *, now: dt.datetime, grace: dt.timedelta) -> bool:
    """Whether `fail_overdue` would find any job."""
    query = sa.select(JOBS.c.id).where(_STARTED, JOBS.c.deadline < now - grace).limit(1)
    return connection.execute(query).one_or_none() is not None


def _lose(ledger: Ledger, job: OpenJob, runner: str) -> None:
    life = job.life.lose_runner()
    what_now = {
        JobState.QUEUED: "the job is queued again",
        JobState.FAILED: "the job is given up",
        JobState.CANCELLED: "the job was to be stopped anyway",
    }[life.state]
    text = f"attempt {life.attempt} was lost with runner {runner}; {what_now}"
    line = LogLine(
        time=ledger.now, level=LEVELS["WARNING"], logger="dioptra_ray", step="", message=text
    )
    ledger.append_log(job, line)
    failure = None
    if life.state is JobState.FAILED:
        message = f"its runner was lost {life.attempt} times, the last one was {runner}"
        failure = Failure(reason="RUNNER_LOST", message=message, retryable=True)
    ledger.move(job, life, failure=failure)
