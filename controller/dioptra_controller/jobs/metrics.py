"""Metrics of jobs: one value per job, name and step; the latest one wins."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from dioptra_controller.database.job_tables import METRICS
from dioptra_controller.jobs.belonging import get_group
from dioptra_controller.jobs.reports import MetricPoint


def store(connection: sa.Connection, points: Mapping[tuple[int, str, int], MetricPoint]) -> None:
    """Store values by job, name and step; they replace what is there."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    insert = dialect.insert(METRICS)
    changing = ("value", "time", "graph_step")
    statement = insert.on_conflict_do_update(
        index_elements=["job_id", "name", "step"],
        set_={name: insert.excluded[name] for name in changing},
    )
    rows = [
        {
            "job_id": job_id,
            "name": name,
            "step": step,
            "value": point.value,
            "time": point.time,
            "graph_step": point.graph_step,
        }
        for (job_id, name, step), point in points.items()
    ]
    connection.execute(statement, rows)


def list_for_job(connection: sa.Connection, job_id: int, name: str = "") -> list[MetricPoint]:
    """Every value of a job, sorted by name and step.

    Raises:
        NotFoundError: There is no such job.
    """
    get_group(connection, job_id)
    query = sa.select(METRICS).where(METRICS.c.job_id == job_id)
    if name:
        query = query.where(METRICS.c.name == name)
    rows = connection.execute(query.order_by(METRICS.c.name, METRICS.c.step))
    return [
        MetricPoint(
            name=row.name,
            step=row.step,
            value=row.value,
            time=row.time,
            graph_step=row.graph_step,
        )
        for row in rows
    ]


def newest(connection: sa.Connection, job_ids: Sequence[int]) -> dict[int, dict[str, float]]:
    """The value at the highest step of each metric, by job and name."""
    last = (
        sa.select(METRICS.c.job_id, METRICS.c.name, sa.func.max(METRICS.c.step).label("step"))
        .where(METRICS.c.job_id.in_(job_ids))
        .group_by(METRICS.c.job_id, METRICS.c.name)
        .subquery()
    )
    query = (
        sa.select(METRICS.c.job_id, METRICS.c.name, METRICS.c.value)
        .join(
            last,
            sa.and_(
                METRICS.c.job_id == last.c.job_id,
                METRICS.c.name == last.c.name,
                METRICS.c.step == last.c.step,
            ),
        )
        .order_by(METRICS.c.job_id, METRICS.c.name)
    )
    found: dict[int, dict[str, float]] = {}
    for row in connection.execute(query):
        found.setdefault(row.job_id, {})[row.name] = row.value
    return found
