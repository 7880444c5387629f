"""Which jobs and sweeps read an artifact."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy
from sqlalchemy import or_, select

from dioptra_controller.access import checks
from dioptra_controller.database.job_tables import JOBS, SWEEPS


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepUse:
    """A sweep whose trials read an artifact."""

    id: int
    entrypoint: str
    entrypoint_snapshot: int
    parameter: str


def mentions(
    column: "sqlalchemy.ColumnElement[str]", artifact_id: int
) -> "sqlalchemy.ColumnElement[bool]":
    """Whether a JSON mapping of names to artifact ids has the id, as far as a text shows it.

    A name could hold the same text; who needs to know for sure reads the mapping.
    """
    return or_(column.contains(f'": {artifact_id},'), column.contains(f'": {artifact_id}}}'))


def list_jobs(connection: sqlalchemy.Connection, artifact_id: int, limit: int) -> list[int]:
    """Ids of the jobs that read an artifact, the newest first; trials of sweeps left out."""
    query = (
        select(JOBS.c.id, JOBS.c.artifact_inputs)
        .where(JOBS.c.sweep_id.is_(None), checks.visible(JOBS.c.group_name))
        .where(mentions(JOBS.c.artifact_inputs, artifact_id))
        .order_by(JOBS.c.id.desc())
    )
    found: list[int] = []
    with connection.execute(query) as rows:
        for job_id, inputs in rows:
            if artifact_id in _read(inputs).values():
                found.append(job_id)
            if len(found) >= limit:
                break
    return found


def list_sweeps(connection: sqlalchemy.Connection, artifact_id: int, limit: int) -> list[SweepUse]:
    """The sweeps whose trials read an artifact, the newest first."""
    query = (
        select(SWEEPS)
        .where(mentions(SWEEPS.c.artifact_inputs, artifact_id))
        .where(checks.visible(SWEEPS.c.group_name))
        .order_by(SWEEPS.c.id.desc())
        .limit(limit)
    )
    return [
        SweepUse(
            id=row.id,
            entrypoint=row.entrypoint,
            entrypoint_snapshot=row.entrypoint_snapshot,
            parameter=name,
        )
        for row in connection.execute(query)
        for name, used in _read(row.artifact_inputs).items()
        if used == artifact_id
    ]


def _read(inputs: str) -> Mapping[str, int]:
    read: Mapping[str, int] = json.loads(inputs)
    return read
