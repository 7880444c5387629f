"""Leases: giving jobs to runners, and taking them back when a runner is gone or too late."""

import datetime as dt
from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from dioptra_controller.database.engine import notify
from dioptra_controller.database.job_tables import JOBS, RUNNERS
from dioptra_controller.jobs.ledger import Ledger
from dioptra_controller.jobs.notices import RunnerCame, RunnerLost, StopWanted
from dioptra_controller.jobs.open_jobs import OpenJob
from dioptra_controller.jobs.reports import LEVELS, Failure, LogLine
from dioptra_controller.jobs.state import JobState
from dioptra_controller.scheduling import leasing, presence
from dioptra_controller.scheduling.assignments import load_assignments
from dioptra_controller.scheduling.messages import Cancellation, Greeting, Lease
from dioptra_controller.scheduling.sessions import Introduction

_WHAT_NOW = {
    JobState.QUEUED: "the job is queued again",
    JobState.FAILED: "the job is given up",
    JobState.CANCELLED: "the job was to be stopped anyway",
}
_STARTED = JOBS.c.state == JobState.STARTED.value


def greet(connection: sa.Connection, who: Introduction, *, now: dt.datetime) -> Greeting:
    """Compare what a connecting runner holds with what it should.

    What it was given but never heard of is assigned again; what was cancelled meanwhile is
    to be stopped; what it holds wrongly is revoked.
    """
    leasing.lock(connection)
    runner_id = who.runner_id
    query = sa.select(RUNNERS.c.committed_sequence).where(RUNNERS.c.runner_id == runner_id)
    committed = connection.execute(query.with_for_update()).scalar_one_or_none()
    if committed is None:
        row = {"runner_id": runner_id, "name": who.name, "committed_sequence": 0}
        connection.execute(sa.insert(RUNNERS).values(**row, connect_time=now))
    beat = presence.attach(connection, who, now=now)
    notify(connection, RunnerCame(runner_id, beat, who.controller))
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
    claimed = list(dict.fromkeys(who.leases))
    unheard = [lease.job_id for lease in leased if lease not in claimed]
    stops = [Cancellation(lease) for lease, stop in leased.items() if stop]
    return Greeting(
        committed_sequence=committed or 0,
        revoked=tuple(lease for lease in claimed if lease not in leased),
        first=(*load_assignments(connection, unheard), *stops),
        beat=beat,
    )


def expire(
    connection: sa.Connection,
    runner_ids: Iterable[str],
    *,
    controller: str,
    beats: Mapping[str, int] | None = None,
    now: dt.datetime,
) -> int:
    """Take the jobs of lost runners back; return how many there were.

    Args:
        connection: A transaction.
        runner_ids: The runners.
        controller: Who takes them.
        beats: What `presence` knew of them; one that was heard of since is not lost. None
            if there are no other controllers to hear of it.
        now: The time of day.
    """
    leasing.lock(connection)
    silent = presence.confirm_silence(connection, runner_ids, controller, beats)
    ledger = Ledger(connection, now)
    lost = ledger.open_where(_STARTED & JOBS.c.runner_id.in_(silent))
    names = _names(connection, silent)
    for job in lost:
        _lose(ledger, job, names.get(job.life.runner_id or "", "?"))
    ledger.write()
    for runner_id, beat in silent.items():
        notify(connection, RunnerLost(runner_id, beat))
    return len(lost)


def hand_back(connection: sa.Connection, runner_id: str, *, now: dt.datetime) -> int:
    """Queue the jobs of a runner again that stops in good order; return how many there were."""
    leasing.lock(connection)
    ledger = Ledger(connection, now)
    held = ledger.open_where(_STARTED & (JOBS.c.runner_id == runner_id))
    runner = _names(connection, [runner_id]).get(runner_id, "?")
    for job in held:
        life = job.life.hand_back()
        what_now = _WHAT_NOW[life.state]
        text = f"runner {runner} was stopped and handed attempt {life.attempt} back; {what_now}"
        _warn(ledger, job, text)
        ledger.move(job, life, reason=text)
    ledger.write()
    return len(held)


def _names(connection: sa.Connection, runner_ids: Iterable[str]) -> dict[str, str]:
    query = sa.select(RUNNERS.c.runner_id, RUNNERS.c.name)
    return dict(iter(connection.execute(query.where(RUNNERS.c.runner_id.in_(runner_ids)))))


def end_late(connection: sa.Connection, *, now: dt.datetime, grace: dt.timedelta) -> None:
    """Fail the jobs that their runners should have stopped `grace` ago; press for the others.

    A runner that was asked to stop a job and has not done so yet is asked again.
    """
    ledger = Ledger(connection, now)
    for job in ledger.open_where(_is_late(now, grace)):
        life = job.life
        if life.runner_id is not None:
            notify(connection, StopWanted(life.runner_id, job.id, life.attempt))
        if job.deadline is not None and job.deadline < now - grace:
            message = (
                f"the job ran longer than its limit of {job.timeout_seconds:g} seconds, "
                "and its runner did not stop it"
            )
            failure = Failure(reason="TIMEOUT", message=message)
            ledger.move(job, life.end(JobState.FAILED), failure=failure)
    ledger.write()


def has_late(connection: sa.Connection, *, now: dt.datetime, grace: dt.timedelta) -> bool:
    """Whether there is anything for `end_late` to do."""
    query = sa.select(JOBS.c.id).where(_is_late(now, grace)).limit(1)
    return connection.execute(query).one_or_none() is not None


def _is_late(now: dt.datetime, grace: dt.timedelta) -> sa.ColumnElement[bool]:
    return _STARTED & (JOBS.c.cancel_requested | (JOBS.c.deadline < now - grace))


def _lose(ledger: Ledger, job: OpenJob, runner: str) -> None:
    life = job.life.lose_runner()
    text = f"attempt {life.attempt} was lost with runner {runner}; {_WHAT_NOW[life.state]}"
    _warn(ledger, job, text)
    failure = None
    if life.state is JobState.FAILED:
        message = f"its runner was lost {life.attempt} times, the last one was {runner}"
        failure = Failure(reason="RUNNER_LOST", message=message, retryable=True)
    ledger.move(job, life, failure=failure, reason=text)


def _warn(ledger: Ledger, job: OpenJob, text: str) -> None:
    level = LEVELS["WARNING"]
    line = LogLine(time=ledger.now, level=level, logger="dioptra_ray", step="", message=text)
    ledger.append_log(job, line)
