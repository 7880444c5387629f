"""Queues: where jobs wait."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy
from sqlalchemy import RowMapping

from dioptra_controller import paging
from dioptra_controller.database.job_tables import JOBS, SWEEPS
from dioptra_controller.database.registry_tables import QUEUE_SNAPSHOTS, QUEUES
from dioptra_controller.registry import names, snapshots
from dioptra_controller.registry.listing import Listing, list_rows
from dioptra_ray.errors import PreconditionError

SERIES = snapshots.Series(code="queue", heads=QUEUES, snapshots=QUEUE_SNAPSHOTS)

DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Where jobs wait, in one version; `id` is the same in all of them."""

    id: int
    name: str
    description: str
    create_time: dt.datetime
    number: int = 1
    delete_time: dt.datetime | None = None

    @property
    def head_id(self) -> int:
        """Its id, as of all that has snapshots."""
        return self.id


def create(connection: sqlalchemy.Connection, name: str, description: str = "") -> Queue:
    """Create a queue.

    Raises:
        InvalidRequestError: The name is not allowed.
        AlreadyExistsError: The name is taken.
    """
    names.check_queue_name(name)
    put(connection, name, description, mode=snapshots.Mode.CREATE)
    return get(connection, name)


def put(
    connection: sqlalchemy.Connection,
    name: str,
    description: str,
    *,
    mode: snapshots.Mode = snapshots.Mode.UPDATE,
) -> snapshots.Stored:
    """Store a description.

    Raises:
        InvalidRequestError: It is not allowed.
        AlreadyExistsError, NotFoundError: The mode does not allow it.
    """
    names.check_text(f"queue {name!r}", description)
    return snapshots.put(connection, SERIES, name, {"description": description}, mode=mode)


def get(connection: sqlalchemy.Connection, name: str) -> Queue:
    """Read a queue.

    Raises:
        NotFoundError: There is none of that name.
    """
    return _read(snapshots.get_row(connection, SERIES, name))


def get_id(connection: sqlalchemy.Connection, name: str) -> int:
    """The id of a queue; see `get`."""
    return snapshots.get_head_id(connection, SERIES, name)


def list_page(connection: sqlalchemy.Connection, listing: Listing) -> paging.Page[Queue]:
    """One page of queues."""
    found = list_rows(connection, SERIES, listing)
    return paging.Page(rows=tuple(map(_read, found.rows)), next_token=found.next_token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How many jobs of a queue wait and run."""

    queued: int = 0
    started: int = 0


def get_loads(connection: sqlalchemy.Connection, queues: Iterable[str]) -> dict[str, Load]:
    """The load of each queue that has any, by name."""
    query = (
        sqlalchemy.select(JOBS.c.queue, JOBS.c.state, sqlalchemy.func.count())
        .where(JOBS.c.queue.in_(list(queues)), JOBS.c.state.in_(["queued", "started"]))
        .group_by(JOBS.c.queue, JOBS.c.state)
    )
    counts: dict[str, dict[str, int]] = {}
    for queue, state, count in connection.execute(query):
        counts.setdefault(queue, {})[state] = count
    return {queue: Load(**states) for queue, states in counts.items()}


def delete(connection: sqlalchemy.Connection, name: str) -> int:
    """Delete a queue in which nothing waits, and return its id.

    Raises:
        NotFoundError: There is none of that name.
        PreconditionError: It is the default one, or work of it has not ended.
    """
    if name == DEFAULT:
        raise PreconditionError("the queue 'default' always exists: jobs without one use it")
    queue_id = snapshots.delete(connection, SERIES, name)
    load = get_loads(connection, [name]).get(name, Load())
    query = sqlalchemy.select(sqlalchemy.func.count()).select_from(SWEEPS)
    query = query.where(SWEEPS.c.queue == name, SWEEPS.c.state == "started")
    sweeps = connection.execute(query).scalar_one()
    counts = {"waiting": load.queued, "running": load.started, "in open sweeps": sweeps}
    if any(counts.values()):
        said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        raise PreconditionError(
            f"queue {name!r} still has jobs ({said}); wait for them or cancel them"
        )
    return queue_id


def _read(row: RowMapping) -> Queue:
    return Queue(
        id=row["head_id"],
        name=row["name"],
        description=row["description"],
        create_time=row["create_time"],
        number=row["number"],
        delete_time=row["delete_time"],
    )
