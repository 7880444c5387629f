"""Reports of runners, committed in order: each counts once, and only from who holds the lease."""

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from dioptra_controller.artifacts import catalog
from dioptra_controller.database.job_tables import JOBS, RUNNERS
from dioptra_controller.database.prepared import Prepared
from dioptra_controller.jobs.ledger import Ledger
from dioptra_controller.jobs.open_jobs import OpenJob
from dioptra_controller.jobs.outline import Outlines
from dioptra_controller.jobs.reports import (
    AttemptEnd,
    Failure,
    Happening,
    LogLine,
    MetricPoint,
    Report,
    StoredArtifact,
)
from dioptra_controller.jobs.state import JobState
from dioptra_controller.jobs.steps import StepChange
from dioptra_controller.jobs.waits import StageWait
from dioptra_ray.errors import DioptraError, InvalidRequestError, PreconditionError

_OF_RUNNER = RUNNERS.c.runner_id == sa.bindparam("runner")
_COMMITTED = Prepared(sa.select(RUNNERS.c.committed_sequence).where(_OF_RUNNER).with_for_update())
_COMMIT = Prepared(
    sa.update(RUNNERS).where(_OF_RUNNER).values(committed_sequence=sa.bindparam("sequence"))
)


def commit_reports(
    connection: sa.Connection,
    runner_id: str,
    reports: Sequence[Report],
    *,
    outlines: Outlines,
    now: dt.datetime,
) -> int:
    """Apply reports, and return the highest sequence that is committed with them.

    Reports that were committed before, and those of leases that the runner does not hold
    (any more), are dropped: they count as committed.

    Raises:
        PreconditionError: The runner has not said hello.
        InvalidRequestError: A report is missing before one of these.
    """
    known = _COMMITTED.first(connection, {"runner": runner_id})
    if known is None:
        raise PreconditionError(f"runner {runner_id!r} is not known; say hello first")
    committed = int(known.committed_sequence)
    fresh = [report for report in reports if report.sequence > committed]
    _check_dense(committed, fresh)
    if not fresh:
        return committed
    ledger = Ledger(connection, now)
    jobs = ledger.open(report.job_id for report in fresh)
    for report in fresh:
        job = jobs.get(report.job_id)
        for happening in report.happenings:
            if job is None or not job.life.is_leased_by(runner_id, report.attempt):
                break
            _apply(ledger, job, happening, outlines)
    ledger.write()
    _COMMIT.run(connection, {"runner": runner_id, "sequence": fresh[-1].sequence})
    return fresh[-1].sequence


def _check_dense(committed: int, reports: Sequence[Report]) -> None:
    for expected, report in enumerate(reports, committed + 1):
        if report.sequence != expected:
            raise InvalidRequestError(
                f"report {report.sequence} came where {expected} was expected; "
                "connect again and send what was not acknowledged"
            )


def _apply(ledger: Ledger, job: OpenJob, happening: Happening, outlines: Outlines) -> None:
    match happening:
        case StepChange():
            ledger.change_step(job, happening)
        case LogLine():
            ledger.append_log(job, happening)
        case MetricPoint():
            ledger.log_metric(job, happening)
        case StageWait():
            ledger.change_wait(job, happening)
        case AttemptEnd():
            _end(ledger, job, happening, outlines)


def _end(ledger: Ledger, job: OpenJob, end: AttemptEnd, outlines: Outlines) -> None:
    if end.outcome is not JobState.FINISHED:
        failure = end.failure
        if failure is None and end.outcome is JobState.FAILED:
            failure = Failure(reason="INTERNAL", message="the runner did not say why")
        saved = end.saved_stages if end.outcome is JobState.FAILED else ()
        ledger.move(job, job.life.end(end.outcome), failure=failure, saved_stages=saved)
        return
    try:
        ids = _record_all(ledger, job, end.artifacts, outlines)
    except OperationalError:
        # The database's trouble, not the artifact's.
        raise
    except (SQLAlchemyError, DioptraError, KeyError, TypeError, ValueError) as error:
        message = f"an artifact could not be recorded: {error}"
        failure = Failure(reason="ARTIFACT_FAILED", message=message)
        ledger.move(job, job.life.end(JobState.FAILED), failure=failure)
        return
    ledger.move(job, job.life.end(JobState.FINISHED), artifacts=ids)


def _record_all(
    ledger: Ledger, job: OpenJob, artifacts: Sequence[StoredArtifact], outlines: Outlines
) -> tuple[int, ...]:
    """All or none: a job whose artifacts cannot be shown has not finished."""
    if not artifacts:
        return ()
    with ledger.connection.begin_nested():
        return tuple(_record(ledger, job, artifact, outlines) for artifact in artifacts)


def _record(ledger: Ledger, job: OpenJob, artifact: StoredArtifact, outlines: Outlines) -> int:
    connection = ledger.connection
    columns = (JOBS.c.entrypoint, JOBS.c.plan_digest)
    row = connection.execute(sa.select(*columns).where(JOBS.c.id == job.id)).one()
    outline = outlines.get(connection, row.plan_digest).artifacts[artifact.name]
    lineage = catalog.Lineage(
        job_id=job.id,
        entrypoint=row.entrypoint,
        step=outline.step,
        output=outline.output,
        task=outline.task,
        plugin_digest=outline.plugin_digest,
        outputs=outline.outputs,
    )
    return catalog.record(
        connection,
        name=artifact.name,
        key=artifact.key,
        manifest_json=artifact.manifest_json,
        lineage=lineage,
    )
