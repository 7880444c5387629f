"""What one transaction does to jobs, gathered first and written in a few batches.

Every change of a job goes through a ledger: it moves the job's life, appends the event that
says so, keeps the counts of the job's sweep, and tells the watchers, all in the transaction
of its connection. A ledger that is not written has changed nothing.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from dioptra_controller.database.engine import notify
from dioptra_controller.database.job_tables import JOB_EVENTS, JOB_LOGS
from dioptra_controller.database.prepared import Prepared
from dioptra_controller.jobs import events, metrics, open_jobs, sweep_counts
from dioptra_controller.jobs.notices import (
    JobChanged,
    JobEnded,
    Notice,
    SlotFreed,
    StopWanted,
    WorkArrived,
)
from dioptra_controller.jobs.open_jobs import OpenJob
from dioptra_controller.jobs.reports import Failure, LogLine, MetricPoint
from dioptra_controller.jobs.saved_stages import SavedStage
from dioptra_controller.jobs.state import JobLife, JobState
from dioptra_controller.jobs.steps import StepChange, change_step, interrupt
from dioptra_controller.jobs.waits import StageWait, change_waits
from dioptra_ray.context import METRIC_NAME_RULE, is_metric_name

_LONGEST_IN = 500
_LONGEST_SHOWN = 80
_INSERT_EVENT = Prepared(sa.insert(JOB_EVENTS))
_INSERT_LOG = Prepared(sa.insert(JOB_LOGS))


class Ledger:
    """The changes of one transaction to jobs."""

    def __init__(self, connection: sa.Connection, now: dt.datetime) -> None:
        self.connection = connection
        self.now = now
        self._jobs: dict[int, OpenJob] = {}
        self._changed: dict[int, OpenJob] = {}
        self._events: list[dict[str, Any]] = []
        self._logs: list[dict[str, Any]] = []
        self._metrics: dict[tuple[int, str, int], MetricPoint] = {}
        self._sweeps: dict[int, Counter[JobState]] = {}
        self._ended: list[OpenJob] = []
        # A dict, because order matters and repetition does not.
        self._notices: dict[Notice, None] = {}

    def open(self, ids: Iterable[int]) -> Mapping[int, OpenJob]:
        """Lock and read jobs; those that do not exist are left out."""
        missing = sorted(set(ids) - self._jobs.keys())
        for begin in range(0, len(missing), _LONGEST_IN):
            found = open_jobs.read_by_id(self.connection, missing[begin : begin + _LONGEST_IN])
            self._jobs.update((job.id, job) for job in found)
        return self._jobs

    def open_where(self, condition: sa.ColumnElement[bool]) -> list[OpenJob]:
        """Lock and read the jobs of a condition, by id."""
        found = open_jobs.read(self.connection, condition)
        return [self._jobs.setdefault(job.id, job) for job in found]

    def make(self, row: Mapping[str, Any], runner_id: str | None = None) -> OpenJob:
        """Insert a job that waits or, if a runner is named, is leased to it already.

        Args:
            row: Its columns, without those that change in its life.
            runner_id: Who gets it; what would take two statements then takes one.
        """
        job = OpenJob(id=0, life=JobLife(), timeout_seconds=row["timeout_seconds"], last_event=1)
        said = [job.progress()]
        if runner_id is not None:
            job.life = job.life.lease(runner_id)
            self._begin_attempt(job)
            job.last_event = 2
            said.append(job.progress())
        job.id = open_jobs.insert(self.connection, job, {**row, "create_time": self.now})
        self._jobs[job.id] = job
        for sequence, progress in enumerate(said, 1):
            self._say(job, "state", events.write_progress(progress), sequence)
        if runner_id is None:
            self._notices[WorkArrived()] = None
        return job

    def begin(self, job: OpenJob) -> None:
        """Take in a job that this transaction has inserted with `last_event` 1, and say so."""
        self._jobs[job.id] = job
        self._say(job, "state", events.write_progress(job.progress()), job.last_event)

    def move(  # noqa: PLR0913 - each by its name
        self,
        job: OpenJob,
        life: JobLife,
        *,
        failure: Failure | None = None,
        artifacts: tuple[int, ...] = (),
        saved_stages: tuple[SavedStage, ...] = (),
        reason: str = "",
    ) -> None:
        """Give a job its next life; nothing happens when that is the one that it has."""
        before, job.life = job.life, life
        if life == before:
            return
        if life.state is before.state:
            self._touch(job)
            if life.cancel_requested and life.runner_id:
                self._notices[StopWanted(life.runner_id, job.id, life.attempt)] = None
            return
        self._count(job, before.state, life.state)
        if before.runner_id is not None:
            self._notices[SlotFreed(before.runner_id, job.id)] = None
        if JobState.QUEUED in (before.state, life.state) and life.state is not JobState.STARTED:
            self._notices[WorkArrived()] = None
        if life.state is JobState.STARTED:
            self._begin_attempt(job)
        else:
            job.deadline = None
        job.waits = {}
        if life.state is JobState.QUEUED:
            job.steps = {}
        if life.state.is_final:
            job.saved_stages = saved_stages
            self._end(job, failure, artifacts)
        self._append_state(job, reason)

    def change_step(self, job: OpenJob, change: StepChange) -> None:
        """Change a step and say so."""
        job.steps[change.step] = change_step(job.steps.get(change.step), change)
        self._append_step(job, change.step)

    def change_wait(self, job: OpenJob, change: StageWait) -> None:
        """Change what a stage waits for and say so, unless that is known."""
        waits = change_waits(job.waits, change)
        if waits != job.waits:
            job.waits = waits
            self._append_state(job)

    def append_log(self, job: OpenJob, line: LogLine) -> None:
        """Append a line to the job's log."""
        job.last_log += 1
        # PostgreSQL cannot store the NUL character.
        texts = {name: getattr(line, name) for name in ("logger", "step", "message")}
        self._logs.append(
            {
                "job_id": job.id,
                "sequence": job.last_log,
                "attempt": job.life.attempt,
                "time": line.time,
                "level": line.level,
                **{name: text.replace("\0", "\N{SYMBOL FOR NULL}") for name, text in texts.items()},
            }
        )
        self._touch(job)

    def log_metric(self, job: OpenJob, point: MetricPoint) -> None:
        """Set the value of a metric at its step and say so; a later value replaces it.

        A name that is not allowed is refused by a line in the job's log: the job itself has
        done nothing that should stop it.
        """
        if not is_metric_name(point.name):
            text = f"metric {point.name[:_LONGEST_SHOWN]!r} was not stored: {METRIC_NAME_RULE}"
            line = LogLine(
                time=point.time,
                level=30,
                logger="dioptra_ray",
                step=point.graph_step,
                message=text,
            )
            self.append_log(job, line)
            return
        self._metrics[job.id, point.name, point.step] = point
        self._append(job, "metric", events.write_metric(point))

    def write(self) -> None:
        """Write everything; the watchers hear of it when the transaction commits."""
        ended = Counter(job.sweep_id for job in self._ended if job.sweep_id is not None)
        places: dict[int, int] = {}
        for sweep_id, changes in sorted(self._sweeps.items()):
            places[sweep_id] = sweep_counts.change(
                self.connection, sweep_id, changes, ended[sweep_id], self.now
            )
        for job in self._ended:
            if job.sweep_id is not None:
                places[job.sweep_id] += 1
                job.end_sequence = places[job.sweep_id]
        if self._changed:
            open_jobs.write(self.connection, self._changed.values())
        if self._events:
            _INSERT_EVENT.run(self.connection, *self._events)
        if self._logs:
            _INSERT_LOG.run(self.connection, *self._logs)
        if self._metrics:
            metrics.store(self.connection, self._metrics)
        for notice in self._notices:
            notify(self.connection, notice)
        for job in self._ended:
            notify(self.connection, JobEnded(job.id, job.progress(), job.last_event))

    def _begin_attempt(self, job: OpenJob) -> None:
        job.start_time = job.start_time or self.now
        limit = job.timeout_seconds
        job.deadline = self.now + dt.timedelta(seconds=limit) if limit else None

    def _end(self, job: OpenJob, failure: Failure | None, artifacts: tuple[int, ...]) -> None:
        job.end_time = self.now
        job.failure = failure
        job.artifacts = artifacts
        for name, status in interrupt(job.steps, job.life.state, self.now).items():
            job.steps[name] = status
            self._append_step(job, name)
        self._ended.append(job)

    def _count(self, job: OpenJob, before: JobState, after: JobState) -> None:
        if job.sweep_id is not None:
            changes = self._sweeps.setdefault(job.sweep_id, Counter())
            changes[before] -= 1
            changes[after] += 1

    def _append_state(self, job: OpenJob, reason: str = "") -> None:
        progress = job.progress()
        progress = replace(progress, reason=reason or progress.reason)
        self._append(job, "state", events.write_progress(progress))

    def _append_step(self, job: OpenJob, step: str) -> None:
        self._append(job, "step", events.write_step(step, job.steps[step], job.life.attempt))

    def _append(self, job: OpenJob, kind: events.Kind, payload: str) -> None:
        job.last_event += 1
        self._say(job, kind, payload, job.last_event)
        self._touch(job)

    def _say(self, job: OpenJob, kind: events.Kind, payload: str, sequence: int) -> None:
        self._events.append(
            {
                "job_id": job.id,
                "sequence": sequence,
                "time": self.now,
                "kind": kind,
                "payload": payload,
            }
        )
        self._notices[JobChanged(job.id)] = None

    def _touch(self, job: OpenJob) -> None:
        self._changed[job.id] = job
        self._notices[JobChanged(job.id)] = None
