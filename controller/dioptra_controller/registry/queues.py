"""Queues: where jobs wait."""

import datetime as dt
import functools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import sqlalchemy
from sqlalchemy import RowMapping

from dioptra_controller import paging
from dioptra_controller.access import checks
from dioptra_controller.access.caller import Role
from dioptra_controller.database.engine import notify
from dioptra_controller.database.job_tables import JOBS, SWEEPS
from dioptra_controller.database.prepared import Prepared
from dioptra_controller.database.registry_tables import QUEUE_SNAPSHOTS, QUEUES
from dioptra_controller.jobs.notices import WorkArrived
from dioptra_controller.registry import names, snapshots
from dioptra_controller.registry.listing import Listing, list_rows
from dioptra_ray.errors import InvalidRequestError, PreconditionError
from dioptra_ray.planning.environments import NOTHING, Environment, read_environment
from dioptra_ray.project.model import ProjectQueue

SERIES = snapshots.Series(code="queue", heads=QUEUES, snapshots=QUEUE_SNAPSHOTS, writer=Role.ADMIN)

DEFAULT = "default"


LARGEST_LIMIT = 2**31 - 1
"""Of `max_started_jobs`, and of priorities in both directions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be changed about a queue.

    Attributes:
        description: Free text.
        environment: Where and with what its jobs run.
        max_started_jobs: At most so many of its jobs run at once; 0 for no limit.
        priority: Queues with a higher one go first; 0 is normal.
    """

    description: str = ""
    environment: Environment = NOTHING
    max_started_jobs: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Where jobs wait, in one version; `id` is the same in all of them."""

    id: int
    name: str
    settings: Settings
    create_time: dt.datetime
    number: int = 1
    delete_time: dt.datetime | None = None
    group: str = ""

    @property
    def head_id(self) -> int:
        """Its id, as of all that has snapshots."""
        return self.id


def create(
    connection: sqlalchemy.Connection,
    name: str,
    settings: Settings = Settings(),
    *,
    group: str = "",
) -> Queue:
    """Create a queue.

    Raises:
        InvalidRequestError: The name or a setting is not allowed; lists everything.
        AlreadyExistsError: The name is taken.
    """
    put(connection, name, settings, mode=snapshots.Mode.CREATE, group=group)
    return get(connection, name)


def put(
    connection: sqlalchemy.Connection,
    name: str,
    settings: Settings,
    *,
    mode: snapshots.Mode = snapshots.Mode.UPDATE,
    group: str = "",
) -> snapshots.Stored:
    """Store all settings of a queue.

    Raises:
        InvalidRequestError: The name or one of them is not allowed; lists everything.
        AlreadyExistsError, NotFoundError: The mode does not allow it.
    """
    check(name, settings)
    stored = snapshots.put(connection, SERIES, name, _content(settings), mode=mode, group=group)
    if stored.changed:
        # A higher limit or priority may let somebody go on.
        notify(connection, WorkArrived())
    return stored


def change(
    connection: sqlalchemy.Connection, name: str, new: Callable[[Settings], Settings]
) -> snapshots.Stored:
    """Change settings of a queue; what `new` leaves as it was stays so.

    Raises:
        InvalidRequestError: A setting is not allowed; lists everything.
        NotFoundError: There is no such queue.
    """
    snapshots.lock(connection, SERIES, name)
    return put(connection, name, new(get(connection, name).settings))


def register(
    connection: sqlalchemy.Connection,
    declared: ProjectQueue,
    *,
    overwrite: bool,
    group: str = "",
) -> snapshots.Stored:
    """Store a queue of a project; one that exists keeps what is not declared, unless overwritten.

    Raises:
        InvalidRequestError: The name or a setting is not allowed; lists everything.
    """
    given = {field.name: getattr(declared, field.name) for field in fields(Settings)}
    said = {name: value for name, value in given.items() if value is not None}
    if not overwrite and snapshots.find_existing(connection, SERIES, [declared.name]):
        return change(connection, declared.name, lambda present: replace(present, **said))
    return put(connection, declared.name, Settings(**said), mode=snapshots.Mode.UPSERT, group=group)


def describe(connection: sqlalchemy.Connection, name: str, description: str) -> snapshots.Stored:
    """Change only the description; see `change`."""
    return change(connection, name, lambda settings: replace(settings, description=description))


def check(name: str, settings: Settings, further: Iterable[str] = ()) -> None:
    """Check what a queue is to be, its environment apart: reading that has checked it.

    Raises:
        InvalidRequestError: Something is not allowed; lists everything, `further` included.
    """
    problems: list[str] = []
    looks: tuple[Callable[[], None], ...] = (
        lambda: names.check_queue_name(name),
        lambda: names.check_text(f"queue {name!r}", settings.description),
    )
    for look in looks:
        try:
            look()
        except InvalidRequestError as error:
            problems.append(error.message)
    more = (*_find_limit_problems(settings), *further)
    problems += (f"queue {name!r}: {problem}" for problem in more)
    if problems:
        raise InvalidRequestError("; ".join(problems))


def _find_limit_problems(settings: Settings) -> list[str]:
    problems = []
    if not 0 <= settings.max_started_jobs <= LARGEST_LIMIT:
        problems.append(
            f"max_started_jobs must be 0 (no limit) to {LARGEST_LIMIT}, "
            f"not {settings.max_started_jobs}"
        )
    if not -LARGEST_LIMIT <= settings.priority <= LARGEST_LIMIT:
        problems.append(
            f"priority must be {-LARGEST_LIMIT} to {LARGEST_LIMIT}, not {settings.priority}"
        )
    return problems


def get(connection: sqlalchemy.Connection, name: str) -> Queue:
    """Read a queue.

    Raises:
        NotFoundError: There is none of that name.
    """
    return _read(snapshots.get_row(connection, SERIES, name))


def load_snapshot(
    connection: sqlalchemy.Connection, name: str, number: int = 0, *, deleted: bool = False
) -> Queue:
    """Read a snapshot; number 0 is the newest.

    Raises:
        NotFoundError: There is no such queue or snapshot.
    """
    return _read(snapshots.get_row(connection, SERIES, name, number, deleted=deleted))


def get_id(connection: sqlalchemy.Connection, name: str) -> int:
    """The id of a queue; see `get`."""
    return snapshots.get_head_id(connection, SERIES, name)


def get_environment(connection: sqlalchemy.Connection, name: str) -> Environment:
    """Where and with what jobs run that are submitted to a queue now; see `get`."""
    found = _ENVIRONMENT.first(connection, {"queue": name})
    if found is None or not checks.is_visible(found[1]):
        raise snapshots.not_found(connection, SERIES, name)
    return _load_environment(found[0])


_ENVIRONMENT = Prepared(
    sqlalchemy.select(
        sqlalchemy.type_coerce(QUEUE_SNAPSHOTS.c.environment, sqlalchemy.Text),
        QUEUES.c.group_name,
    )
    .join(QUEUES, QUEUES.c.id == QUEUE_SNAPSHOTS.c.queue_id)
    .where(QUEUES.c.name == sqlalchemy.bindparam("queue"))
    .order_by(QUEUE_SNAPSHOTS.c.number.desc())
    .limit(1)
)


@functools.lru_cache(maxsize=256)
def _load_environment(text: str) -> Environment:
    return read_environment(json.loads(text))


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


def _content(settings: Settings) -> dict[str, Any]:
    """The columns that differ from their defaults: so a new column changes no digest."""
    differing = {
        "environment": settings.environment.to_mapping(),
        "max_started_jobs": settings.max_started_jobs,
        "priority": settings.priority,
    }
    said = {name: value for name, value in differing.items() if value}
    return {"description": settings.description, **said}


def _read(row: RowMapping) -> Queue:
    return Queue(
        id=row["head_id"],
        name=row["name"],
        settings=Settings(
            description=row["description"],
            environment=read_environment(row["environment"]),
            max_started_jobs=row["max_started_jobs"],
            priority=row["priority"],
        ),
        create_time=row["create_time"],
        number=row["number"],
        delete_time=row["delete_time"],
        group=row["group"],
    )
