"""Which group a job belongs to, and whether the caller may see or change it."""

import sqlalchemy as sa

from dioptra_controller.access import checks
from dioptra_controller.access.caller import Role
from dioptra_controller.database.job_tables import JOBS
from dioptra_controller.database.prepared import Prepared
from dioptra_ray.errors import NotFoundError

_GROUP = Prepared(sa.select(JOBS.c.group_name).where(JOBS.c.id == sa.bindparam("job")))


def get_group(connection: sa.Connection, job_id: int) -> str:
    """The group of a job.

    Raises:
        NotFoundError: There is no such job, or the caller may not see it.
    """
    found = _GROUP.first(connection, {"job": job_id})
    if found is None or not checks.is_visible(found.group_name):
        raise not_found(job_id)
    return str(found.group_name)


def require(connection: sa.Connection, job_id: int, role: Role) -> None:
    """Refuse a caller whose role in the group of a job is too low.

    Raises:
        NotFoundError: There is no such job, or the caller may not see it.
        PermissionDeniedError: It is too low.
    """
    checks.require(role, get_group(connection, job_id))


def not_found(job_id: int) -> NotFoundError:
    """The error of a job that does not exist."""
    return NotFoundError(f"there is no job {job_id}", job=str(job_id))
