"""Cancelling jobs."""

import datetime as dt

import sqlalchemy as sa

from dioptra_controller.access.caller import Role
from dioptra_controller.jobs import belonging
from dioptra_controller.jobs.ledger import Ledger
from dioptra_controller.jobs.state import IllegalTransitionError
from dioptra_ray.errors import PreconditionError


def cancel_job(connection: sa.Connection, job_id: int, *, now: dt.datetime) -> None:
    """Stop a job: at once while it waits, else its runner is asked to; idempotent.

    Raises:
        NotFoundError: There is no such job.
        PermissionDeniedError: The caller may not submit to its group.
        PreconditionError: It has finished or failed already.
    """
    belonging.require(connection, job_id, Role.SUBMITTER)
    ledger = Ledger(connection, now)
    job = ledger.open([job_id]).get(job_id)
    if job is None:
        raise belonging.not_found(job_id)
    try:
        ledger.move(job, job.life.request_cancel())
    except IllegalTransitionError as error:
        state = job.life.state
        raise PreconditionError(f"job {job_id} has {state} already", job=str(job_id)) from error
    ledger.write()
