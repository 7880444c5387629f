"""Deleting artifacts: first for everybody, in one transaction; then their bytes.

Between the two a crash leaves bytes that nothing shows any more; deleting the artifact
again deletes them.
"""

import datetime as dt

import sqlalchemy
from sqlalchemy import select

from dioptra_controller.access import checks
from dioptra_controller.access.caller import Role
from dioptra_controller.artifacts import catalog
from dioptra_controller.artifacts.usage import mentions
from dioptra_controller.database.job_tables import JOBS, SWEEPS
from dioptra_controller.database.registry_tables import ARTIFACTS
from dioptra_ray.errors import PreconditionError


def delete(connection: sqlalchemy.Connection, artifact_id: int) -> None:
    """Hide an artifact; idempotent.

    Raises:
        NotFoundError: There is none with that id.
        PermissionDeniedError: It is somebody else's, and the caller is no admin of its group.
        PreconditionError: A job that has not ended, or an open sweep, needs it.
    """
    found = catalog.get(connection, artifact_id)
    checks.require_owner_or_admin(Role.SUBMITTER, found.group, found.owner)
    if found.delete_time is not None:
        return
    for table, what, states in (
        (JOBS, "job", ("queued", "started")),
        (SWEEPS, "sweep", ("started",)),
    ):
        query = select(table.c.id).where(table.c.state.in_(states))
        query = query.where(mentions(table.c.artifact_inputs, artifact_id)).limit(1)
        user = connection.execute(query).scalar_one_or_none()
        if user is not None:
            raise PreconditionError(
                f"artifact {artifact_id} is an input of {what} {user}, which has not ended; "
                "wait for it or cancel it"
            )
    now = dt.datetime.now(dt.UTC)
    connection.execute(
        ARTIFACTS.update().where(ARTIFACTS.c.id == artifact_id).values(delete_time=now)
    )


def find_unpurged(connection: sqlalchemy.Connection, artifact_id: int) -> str | None:
    """The key of a deleted artifact whose bytes may still be there."""
    query = select(ARTIFACTS.c.key).where(
        ARTIFACTS.c.id == artifact_id,
        ARTIFACTS.c.delete_time.is_not(None),
        ARTIFACTS.c.purge_time.is_(None),
    )
    key = connection.execute(query).scalar_one_or_none()
    return None if key is None else str(key)


def mark_purged(connection: sqlalchemy.Connection, artifact_id: int) -> None:
    """Note that the bytes are gone."""
    now = dt.datetime.now(dt.UTC)
    connection.execute(
        ARTIFACTS.update().where(ARTIFACTS.c.id == artifact_id).values(purge_time=now)
    )
