"""Queues: where jobs wait."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy

from dioptra_controller import paging
from dioptra_controller.database.job_tables import JOBS
from dioptra_controller.database.registry_tables import QUEUES
from dioptra_controller.database.statements import contains, insert_if_new
from dioptra_controller.registry import names
from dioptra_ray.errors import AlreadyExistsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Where jobs wait."""

    id: int
    name: str
    description: str
    create_time: dt.datetime


def create(connection: sqlalchemy.Connection, name: str, description: str = "") -> Queue:
    """Create a queue.

    Raises:
        InvalidRequestError: The name is not allowed.
        AlreadyExistsError: The name is taken.
    """
    names.check_queue_name(name)
    names.check_text(f"queue {name!r}", description)
    row = {"name": name, "description": description, "create_time": dt.datetime.now(dt.UTC)}
    if insert_if_new(connection, QUEUES, row, unique=["name"]) is None:
        raise AlreadyExistsError(f"there is a queue {name!r} already", name=name)
    return get(connection, name)


def get(connection: sqlalchemy.Connection, name: str) -> Queue:
    """Read a queue.

    Raises:
        NotFoundError: There is none of that name.
    """
    query = sqlalchemy.select(QUEUES).where(QUEUES.c.name == name)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise names.not_found(connection, "queue", QUEUES.c.name, name)
    return Queue(**row)


def get_id(connection: sqlalchemy.Connection, name: str) -> int:
    """The id of a queue; see `get`."""
    return get(connection, name).id


def list_page(
    connection: sqlalchemy.Connection, page: paging.PageRequest, search: str = ""
) -> paging.Page[Queue]:
    """One page of the queues whose names contain `search`, sorted by name."""
    size = paging.page_size(page.size)
    after = paging.decode(page.token, "queues", search)
    query = sqlalchemy.select(QUEUES).order_by(QUEUES.c.name).limit(size + 1)
    if search:
        query = query.where(contains(QUEUES.c.name, search))
    if after is not None:
        query = query.where(QUEUES.c.name > after[0])
    rows = [Queue(**row) for row in connection.execute(query).mappings()]
    return paging.slice_page(rows, size, "queues", search, key=lambda row: [row.name])


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
