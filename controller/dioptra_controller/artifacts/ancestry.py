"""Lineage both ways: the jobs and artifacts that an artifact was made from and into."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy
from sqlalchemy import select

from dioptra_controller.access import checks
from dioptra_controller.artifacts import catalog, usage
from dioptra_controller.artifacts.catalog import ArtifactRecord
from dioptra_controller.artifacts.usage import SweepUse
from dioptra_controller.database.job_tables import JOBS
from dioptra_controller.database.registry_tables import ARTIFACTS
from dioptra_controller.registry import entrypoints
from dioptra_controller.registry.entrypoints import PluginPin
from dioptra_ray.errors import NotFoundError

DEPTH = 20
MAX_JOBS = 200
_USERS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageJob:
    """A job in a lineage, and the entrypoint snapshot that it ran."""

    id: int
    entrypoint: str
    entrypoint_snapshot: int
    entrypoint_deleted: bool
    inputs: Mapping[str, int]
    outputs: Sequence[int]
    parameters: Mapping[str, Any]
    plugins: Sequence[PluginPin]


@dataclass(slots=True, kw_only=True)
class Ancestry:
    """A graph of artifacts and jobs.

    Attributes:
        artifacts: By id, the one that was asked for first; deleted ones are among them.
        jobs: By id, in the order in which they were found.
        sweeps: Those whose trials read the artifact that was asked for.
        truncated: Whether there is more.
    """

    artifacts: dict[int, ArtifactRecord] = field(default_factory=dict)
    jobs: dict[int, LineageJob] = field(default_factory=dict)
    sweeps: Sequence[SweepUse] = ()
    truncated: bool = False


def trace(connection: sqlalchemy.Connection, artifact_id: int, depth: int = 0) -> Ancestry:
    """Follow an artifact to what it was made from, and to what was made with it.

    Args:
        connection: An open transaction.
        artifact_id: The artifact.
        depth: How many jobs to follow in each direction; 0 means 20.

    Raises:
        NotFoundError: There is no such artifact.
    """
    found = Ancestry()
    found.artifacts[artifact_id] = catalog.get(connection, artifact_id)
    levels = depth if depth > 0 else DEPTH
    _go_up(connection, found, artifact_id, levels)
    _go_down(connection, found, artifact_id, levels)
    found.sweeps = usage.list_sweeps(connection, artifact_id, _USERS)
    return found


def _go_up(connection: sqlalchemy.Connection, found: Ancestry, start: int, levels: int) -> None:
    front = [start]
    for _ in range(levels):
        makers = {found.artifacts[one].lineage.job_id for one in front}
        front = []
        for job_id in sorted(makers - {None} - found.jobs.keys(), key=lambda one: one or 0):
            job = _take(connection, found, job_id or 0)
            wanted = job.inputs.values() if job else ()
            front += [one for one in wanted if _take_artifact(connection, found, one)]
        if not front:
            return
    found.truncated |= any(found.artifacts[one].lineage.job_id for one in front)


def _go_down(connection: sqlalchemy.Connection, found: Ancestry, start: int, levels: int) -> None:
    front = [start]
    for _ in range(levels):
        made: list[int] = []
        for artifact_id in front:
            users = usage.list_jobs(connection, artifact_id, _USERS)
            found.truncated |= len(users) == _USERS
            for job_id in users:
                if job_id not in found.jobs and (job := _take(connection, found, job_id)):
                    made += [one for one in job.outputs if _take_artifact(connection, found, one)]
        front = made
        if not front:
            return
    found.truncated |= any(usage.list_jobs(connection, one, 1) for one in front)


def _take(connection: sqlalchemy.Connection, found: Ancestry, job_id: int) -> LineageJob | None:
    if len(found.jobs) >= MAX_JOBS:
        found.truncated = True
        return None
    visible = checks.visible(JOBS.c.group_name)
    row = connection.execute(select(JOBS).where(JOBS.c.id == job_id, visible)).one_or_none()
    if row is None:
        return None
    snapshot = entrypoints.load_by_id(connection, row.snapshot_id)
    made = select(ARTIFACTS.c.id).where(ARTIFACTS.c.job_id == job_id).order_by(ARTIFACTS.c.id)
    found.jobs[job_id] = LineageJob(
        id=job_id,
        entrypoint=row.entrypoint,
        entrypoint_snapshot=row.entrypoint_snapshot,
        entrypoint_deleted=snapshot.delete_time is not None,
        inputs=json.loads(row.artifact_inputs),
        outputs=list(connection.execute(made).scalars()),
        parameters=json.loads(row.parameters),
        plugins=snapshot.plugins,
    )
    return found.jobs[job_id]


def _take_artifact(connection: sqlalchemy.Connection, found: Ancestry, artifact_id: int) -> bool:
    if artifact_id in found.artifacts:
        return False
    try:
        found.artifacts[artifact_id] = catalog.get(connection, artifact_id)
    except NotFoundError:  # of a group that the caller does not see
        return False
    return True
