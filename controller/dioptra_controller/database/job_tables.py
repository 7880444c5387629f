"""Tables of what runs: plans, jobs and all that they say, sweeps, and runners.

Names of queues, experiments and entrypoints are stored as they are, since names are their
identity in the API: reading a job joins nothing. Everything that only ever is read whole
(parameters, swaps, steps, failures) is JSON text.
"""

import math
from typing import Any

import sqlalchemy as sa
from sqlalchemy import types

from dioptra_controller.database.metadata import METADATA, BigId, Instant


class MetricNumber(types.TypeDecorator[float]):
    """A float that may be NaN; NULL stands for NaN, because SQLite has none of its own."""

    impl = sa.Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Any) -> float | None:
        """NaN to NULL."""
        return None if value is None or math.isnan(value) else value

    def process_result_value(self, value: Any, dialect: Any) -> float:
        """NULL to NaN."""
        return math.nan if value is None else float(value)


def _belonging() -> tuple["sa.Column[str]", "sa.Column[str]"]:
    """The group of its experiment when it was made, and who made it, if that is known."""
    return (
        sa.Column("group_name", sa.Text, nullable=False, server_default="default"),
        sa.Column("owner", sa.Text),
    )


PLANS = sa.Table(
    "plans",
    METADATA,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("plan_json", sa.Text, nullable=False),
    sa.Column("create_time", Instant, nullable=False),
)

SWEEPS = sa.Table(
    "sweeps",
    METADATA,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("experiment", sa.Text, nullable=False),
    sa.Column("entrypoint", sa.Text, nullable=False),
    sa.Column("entrypoint_snapshot", sa.Integer, nullable=False),
    sa.Column("snapshot_id", sa.BigInteger, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    # Trials below it have a job; the others are made when a runner has room.
    sa.Column("next_trial", sa.BigInteger, nullable=False),
    sa.Column("started", sa.BigInteger, nullable=False),
    sa.Column("finished", sa.BigInteger, nullable=False),
    sa.Column("failed", sa.BigInteger, nullable=False),
    sa.Column("cancelled", sa.BigInteger, nullable=False),
    # How many jobs of it have ended: the newest `jobs.end_sequence`.
    sa.Column("ended", sa.BigInteger, nullable=False),
    sa.Column("space", sa.Text, nullable=False),
    sa.Column("parameters", sa.Text, nullable=False),
    sa.Column("artifact_inputs", sa.Text, nullable=False),
    # The choices of swaps that do not vary.
    sa.Column("swaps", sa.Text, nullable=False),
    # The plan of its trials; of the first one when swaps vary.
    sa.Column("plan_digest", sa.Text, sa.ForeignKey("plans.digest"), nullable=False),
    # When swaps vary: a list of [choices, plan digest] pairs; see `sweeps.variants`.
    sa.Column("variants", sa.Text),
    sa.Column("timeout_seconds", sa.Double, nullable=False),
    sa.Column("create_time", Instant, nullable=False),
    sa.Column("end_time", Instant),
    *_belonging(),
    sqlite_autoincrement=True,
)

JOBS = sa.Table(
    "jobs",
    METADATA,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("experiment", sa.Text, nullable=False),
    sa.Column("entrypoint", sa.Text, nullable=False),
    sa.Column("entrypoint_snapshot", sa.Integer, nullable=False),
    sa.Column("snapshot_id", sa.BigInteger, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    # The `runner_id` that holds the lease; NULL unless started.
    sa.Column("runner_id", sa.Text),
    sa.Column("parameters", sa.Text, nullable=False),
    sa.Column("artifact_inputs", sa.Text, nullable=False),
    # The chosen aliases, by swap.
    sa.Column("swaps", sa.Text, nullable=False),
    sa.Column("plan_digest", sa.Text, sa.ForeignKey("plans.digest"), nullable=False),
    sa.Column("timeout_seconds", sa.Double, nullable=False),
    # When the present attempt must have ended by itself; NULL unless started.
    sa.Column("deadline", Instant),
    # Steps that are no longer pending, by name; NULL for none.
    sa.Column("steps", sa.Text),
    # What stages of the present attempt wait for, by stage; NULL when none waits.
    sa.Column("waits", sa.Text),
    sa.Column("failure", sa.Text),
    # Ids of its artifacts as a JSON list; NULL for none.
    sa.Column("artifacts", sa.Text),
    # See `jobs.saved_stages`: what a retry may reuse, and what it does; NULL for nothing.
    sa.Column("saved_stages", sa.Text),
    sa.Column("reused_stages", sa.Text),
    sa.Column("create_time", Instant, nullable=False),
    sa.Column("start_time", Instant),
    sa.Column("end_time", Instant),
    sa.Column("sweep_id", sa.BigInteger, sa.ForeignKey("sweeps.id")),
    sa.Column("trial", sa.BigInteger),
    # Its place in the order in which the trials of its sweep ended, from 1.
    sa.Column("end_sequence", sa.BigInteger),
    sa.Column("retry_of", sa.BigInteger),
    # The newest sequence numbers of its events and log records.
    sa.Column("last_event", sa.BigInteger, nullable=False),
    sa.Column("last_log", sa.BigInteger, nullable=False),
    *_belonging(),
    sqlite_autoincrement=True,
)

_QUEUED = JOBS.c.state == "queued"
_STARTED = JOBS.c.state == "started"
_TRIAL = JOBS.c.sweep_id.is_not(None)

# Partial indexes: only the few jobs that wait or run cost anything.
sa.Index(
    "ix_jobs_queued",
    JOBS.c.queue,
    JOBS.c.id,
    sqlite_where=_QUEUED,
    postgresql_where=_QUEUED,
)
sa.Index("ix_jobs_started", JOBS.c.runner_id, sqlite_where=_STARTED, postgresql_where=_STARTED)
_SAVED = JOBS.c.saved_stages.is_not(None)
sa.Index("ix_jobs_saved_stages", JOBS.c.end_time, sqlite_where=_SAVED, postgresql_where=_SAVED)
sa.Index(
    "uq_jobs_sweep_id_trial",
    JOBS.c.sweep_id,
    JOBS.c.trial,
    unique=True,
    sqlite_where=_TRIAL,
    postgresql_where=_TRIAL,
)
sa.Index(
    "ix_jobs_sweep_id_end_sequence",
    JOBS.c.sweep_id,
    JOBS.c.end_sequence,
    sqlite_where=JOBS.c.end_sequence.is_not(None),
    postgresql_where=JOBS.c.end_sequence.is_not(None),
)
sa.Index(
    "ix_sweeps_open",
    SWEEPS.c.queue,
    sqlite_where=SWEEPS.c.state == "started",
    postgresql_where=SWEEPS.c.state == "started",
)

JOB_EVENTS = sa.Table(
    "job_events",
    METADATA,
    sa.Column("job_id", sa.BigInteger, sa.ForeignKey("jobs.id"), primary_key=True),
    # Dense within the job, from 1.
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    sa.Column("time", Instant, nullable=False),
    # "state", "step" or "metric".
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

JOB_LOGS = sa.Table(
    "job_logs",
    METADATA,
    sa.Column("job_id", sa.BigInteger, sa.ForeignKey("jobs.id"), primary_key=True),
    # Dense within the job, from 1.
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("time", Instant, nullable=False),
    # As in Python's logging: 10 DEBUG ... 50 CRITICAL.
    sa.Column("level", sa.SmallInteger, nullable=False),
    sa.Column("logger", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

METRICS = sa.Table(
    "metrics",
    METADATA,
    sa.Column("job_id", sa.BigInteger, sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("step", sa.BigInteger, primary_key=True),
    sa.Column("value", MetricNumber),
    sa.Column("time", Instant, nullable=False),
    sa.Column("graph_step", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

RUNNERS = sa.Table(
    "runners",
    METADATA,
    sa.Column("runner_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    # The highest report sequence that is committed.
    sa.Column("committed_sequence", sa.BigInteger, nullable=False),
    sa.Column("connect_time", Instant, nullable=False),
    # The controller that it is connected to, if any; see `scheduling.presence`.
    sa.Column("controller", sa.Text),
    # Counts up whenever its controller has heard of it.
    sa.Column("beat", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("seen_time", Instant),
    # What other controllers show of it, as JSON.
    sa.Column("description", sa.Text),
)
