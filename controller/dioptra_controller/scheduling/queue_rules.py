"""What queues say about their jobs, and what waits in which, as the database has it now.

Limits and priorities are those of the newest snapshot, whenever a job was submitted.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dioptra_controller.database.job_tables import JOBS, SWEEPS
from dioptra_controller.database.prepared import Prepared
from dioptra_controller.database.registry_tables import QUEUE_SNAPSHOTS, QUEUES
from dioptra_controller.jobs.state import JobState
from dioptra_controller.jobs.sweep_counts import SweepState
from dioptra_controller.scheduling.decision import NO_RULE, QueueRule

_QUEUED = JOBS.c.state == JobState.QUEUED.value
_STARTED = JOBS.c.state == JobState.STARTED.value
_OPEN_SWEEP = SWEEPS.c.state == SweepState.STARTED.value

_OTHER_HEADS, _OTHER_SNAPSHOTS = QUEUES.alias(), QUEUE_SNAPSHOTS.alias()
# Of a label, not of a head: a job may have come while its queue was deleted.
_NEWEST = (
    sa.select(sa.func.max(_OTHER_SNAPSHOTS.c.number))
    .join(_OTHER_HEADS, _OTHER_HEADS.c.id == _OTHER_SNAPSHOTS.c.queue_id)
    .where(_OTHER_HEADS.c.label == QUEUES.c.label)
    .scalar_subquery()
)
_RULES = (
    sa.select(QUEUES.c.label, QUEUE_SNAPSHOTS.c.priority, QUEUE_SNAPSHOTS.c.max_started_jobs)
    .join(QUEUES, QUEUES.c.id == QUEUE_SNAPSHOTS.c.queue_id)
    .where(QUEUE_SNAPSHOTS.c.number == _NEWEST)
)
_WITH_WORK = Prepared(
    _RULES.where(
        sa.or_(
            sa.exists().where(_QUEUED, JOBS.c.queue == QUEUES.c.label),
            sa.exists().where(_OPEN_SWEEP, SWEEPS.c.queue == QUEUES.c.label),
        )
    )
)
_NAMED = _RULES.where(QUEUES.c.label.in_(sa.bindparam("queues", expanding=True)))
_RUNNING = (
    sa.select(JOBS.c.queue, sa.func.count())
    .where(_STARTED, JOBS.c.queue.in_(sa.bindparam("queues", expanding=True)))
    .group_by(JOBS.c.queue)
)


def load_rules(connection: sa.Connection, queues: Collection[str]) -> dict[str, QueueRule]:
    """The rules of queues, by name."""
    if not queues:
        return {}
    return _load(connection, connection.execute(_NAMED, {"queues": sorted(queues)}))


def load_waiting(connection: sa.Connection) -> dict[str, QueueRule]:
    """The rules of all queues in which jobs wait, or trials of a sweep, by name."""
    return _load(connection, _WITH_WORK.all(connection, {}))


def _load(connection: sa.Connection, rows: Iterable[Any]) -> dict[str, QueueRule]:
    found = {
        row.label: QueueRule(priority=row.priority, limit=row.max_started_jobs) for row in rows
    }
    limited = sorted(queue for queue, rule in found.items() if rule.limit)
    if limited:
        running: dict[str, int] = dict(iter(connection.execute(_RUNNING, {"queues": limited})))
        for queue in limited:
            rule = found[queue]
            count = running.get(queue, 0)
            found[queue] = QueueRule(priority=rule.priority, limit=rule.limit, running=count)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """What a new job of a queue will find.

    Attributes:
        rule: What its queue says.
        others_wait: Whether any other job waits, or any sweep has trials left.
    """

    rule: QueueRule
    others_wait: bool


def look_around(connection: sa.Connection, queue: str) -> Newcomer:
    """What a job will find that is about to be made; one query, because each job makes it."""
    row = _AROUND.first(connection, {"queue": queue})
    if row is None:  # deleted a moment ago
        return Newcomer(rule=NO_RULE, others_wait=True)
    rule = QueueRule(priority=row.priority, limit=row.max_started_jobs, running=row.running)
    return Newcomer(rule=rule, others_wait=bool(row.jobs_wait or row.sweeps_wait))


_RUNS_HERE = (
    sa.select(sa.func.count())
    .select_from(JOBS)
    .where(_STARTED, JOBS.c.queue == sa.bindparam("queue"))
    .scalar_subquery()
)
_AROUND = Prepared(
    sa.select(
        QUEUE_SNAPSHOTS.c.priority,
        QUEUE_SNAPSHOTS.c.max_started_jobs,
        sa.exists().where(_QUEUED).label("jobs_wait"),
        sa.exists().where(_OPEN_SWEEP).label("sweeps_wait"),
        sa.case((QUEUE_SNAPSHOTS.c.max_started_jobs > 0, _RUNS_HERE), else_=0).label("running"),
    )
    .join(QUEUES, QUEUES.c.id == QUEUE_SNAPSHOTS.c.queue_id)
    .where(QUEUES.c.name == sa.bindparam("queue"))
    .order_by(QUEUE_SNAPSHOTS.c.number.desc())
    .limit(1)
)
