"""What a job refers to that was deleted since; the job itself keeps its snapshots."""

import sqlalchemy as sa

from dioptra_controller.database.job_tables import JOBS
from dioptra_controller.database.registry_tables import (
    ENTRYPOINT_SNAPSHOTS,
    ENTRYPOINTS,
    EXPERIMENTS,
    QUEUES,
)


def find_deleted(connection: sa.Connection, job_id: int) -> tuple[str, ...]:
    """Which of "entrypoint", "experiment" and "queue" of a job exist no more."""
    entrypoint = (
        sa.select(ENTRYPOINTS.c.delete_time)
        .join(ENTRYPOINT_SNAPSHOTS, ENTRYPOINT_SNAPSHOTS.c.entrypoint_id == ENTRYPOINTS.c.id)
        .where(ENTRYPOINT_SNAPSHOTS.c.id == JOBS.c.snapshot_id)
        .scalar_subquery()
        .is_(None)
    )
    experiment = sa.exists().where(EXPERIMENTS.c.name == JOBS.c.experiment)
    queue = sa.exists().where(QUEUES.c.name == JOBS.c.queue)
    query = sa.select(entrypoint, experiment, queue).where(JOBS.c.id == job_id)
    alive = connection.execute(query).one()
    kinds = ("entrypoint", "experiment", "queue")
    return tuple(kind for kind, lives in zip(kinds, alive, strict=True) if not lives)
