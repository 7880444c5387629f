"""What can be done with every named thing alike: describe, delete, find, read its history."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlalchemy

from dioptra_controller import paging
from dioptra_controller.access import checks
from dioptra_controller.access.caller import Role
from dioptra_controller.artifacts import catalog, deletion
from dioptra_controller.jobs.belonging import get_group
from dioptra_controller.registry import (
    entrypoints,
    experiments,
    parameter_types,
    plugins,
    queues,
    snapshots,
    tags,
)
from dioptra_ray.errors import InvalidRequestError, NotFoundError, PreconditionError

ARTIFACT = "artifact"
JOB = "job"
SERIES: Mapping[str, snapshots.Series] = {
    series.code: series
    for series in (
        plugins.SERIES,
        parameter_types.SERIES,
        entrypoints.SERIES,
        experiments.SERIES,
        queues.SERIES,
    )
}
_DESCRIBE: Mapping[str, Callable[[sqlalchemy.Connection, str, str], snapshots.Stored]] = {
    "plugin": plugins.describe,
    "parameter_type": parameter_types.describe,
    "entrypoint": entrypoints.describe,
    "experiment": experiments.put,
    "queue": queues.describe,
}
_MAX_ID = 2**63 - 1
_MAX_DIGITS = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One snapshot in a history."""

    number: int
    description: str
    digest: str
    create_time: dt.datetime
    delete_time: dt.datetime | None


def describe(
    connection: sqlalchemy.Connection, kind: str, name: str, description: str
) -> tuple[int, bool]:
    """Change a description; returns the newest snapshot number and whether that is new.

    Raises:
        InvalidRequestError: The description is not allowed, or it is a job's.
        NotFoundError: There is no such thing.
    """
    if kind == ARTIFACT:
        return 0, catalog.describe(connection, read_id(kind, name), description)
    _series(kind)
    stored = _DESCRIBE[kind](connection, name, description)
    return stored.number, stored.changed


def delete(connection: sqlalchemy.Connection, kind: str, name: str) -> list[str]:
    """Delete a thing; returns what goes on using its snapshots, for people.

    Raises:
        NotFoundError: There is no such thing.
        PreconditionError: Something still needs it, or it is one that always exists.
    """
    if kind == ARTIFACT:
        artifact_id = read_id(kind, name)
        deletion.delete(connection, artifact_id)
        tags.drop(connection, kind, artifact_id)
        return []
    if kind == JOB:
        raise PreconditionError("jobs are never deleted; what they made can be")
    users: list[tuple[str, int]] = []
    series = _series(kind)
    if kind == experiments.SERIES.code:
        head = experiments.delete(connection, name)
    elif kind == queues.SERIES.code:
        head = queues.delete(connection, name)
    else:
        head = snapshots.delete(connection, series, name)
        if kind == plugins.SERIES.code:
            users = entrypoints.list_users(connection, head)
    tags.drop(connection, kind, head)
    return [f"entrypoint {user!r} (snapshot {number})" for user, number in users]


def list_history(
    connection: sqlalchemy.Connection, kind: str, name: str, page: paging.PageRequest
) -> paging.Page[Summary]:
    """One page of all snapshots that a name ever had, the newest first.

    Raises:
        InvalidRequestError: The kind has no snapshots.
        NotFoundError: The name was never used.
    """
    series = _series(kind)
    size = paging.page_size(page.size)
    bound = ("history", kind, name)
    after = paging.decode(page.token, *bound)
    query = snapshots.select_rows(series).where(series.heads.c.label == name)
    query = query.where(checks.visible(series.heads.c.group_name))
    query = query.order_by(series.snapshots.c.number.desc()).limit(size + 1)
    if after is not None:
        query = query.where(series.snapshots.c.number < after[0])
    rows = [
        Summary(
            number=row["number"],
            description=row["description"],
            digest=row["content_digest"],
            create_time=row["create_time"],
            delete_time=row["delete_time"],
        )
        for row in connection.execute(query).mappings()
    ]
    if not rows and after is None:
        raise snapshots.not_found(connection, series, name)
    return paging.slice_page(rows, size, *bound, key=lambda row: [row.number])


def pick_pair(
    connection: sqlalchemy.Connection, kind: str, name: str, old: int, new: int
) -> tuple[int, int]:
    """The numbers of two snapshots; 0 is the newest, and the one before it.

    Raises:
        InvalidRequestError: The kind has no snapshots.
        NotFoundError: There is no such name, or no earlier snapshot.
    """
    history = list_history(connection, kind, name, paging.PageRequest(size=paging.MAX_SIZE))
    numbers = [one.number for one in history.rows]
    new = new or numbers[0]
    if not old:
        earlier = [number for number in numbers if number < new]
        if not earlier:
            raise NotFoundError(f"{kind} {name!r} has no snapshot before {new} to compare with")
        old = earlier[0]
    return old, new


def find_id(connection: sqlalchemy.Connection, kind: str, name: str) -> int:
    """The id by which tags know a thing that exists.

    Raises:
        InvalidRequestError: The kind is not known, or the name is no number where it must be.
        NotFoundError: There is no such thing.
    """
    if kind == ARTIFACT:
        found = catalog.get(connection, read_id(kind, name))
        catalog.refuse_deleted(found)
        checks.require(Role.SUBMITTER, found.group)
        return found.id
    if kind == JOB:
        job = read_id(kind, name)
        checks.require(Role.SUBMITTER, get_group(connection, job))
        return job
    series = _series(kind)
    checks.require(Role.SUBMITTER, snapshots.get_group(connection, series, name))
    return snapshots.get_head_id(connection, series, name)


def list_tagged(
    connection: sqlalchemy.Connection, page: paging.PageRequest, tag: str
) -> paging.Page[tuple[str, str]]:
    """One page of (kind, name) of what has a tag."""
    found = tags.list_tagged(connection, page, tag)
    ids: dict[str, list[int]] = {}
    for kind, resource_id in found.rows:
        ids.setdefault(kind, []).append(resource_id)
    labels = {
        (kind, resource_id): label
        for kind in ids
        if kind in SERIES
        for resource_id, label in _labels(connection, SERIES[kind], ids[kind])
    }
    rows = tuple((kind, labels.get((kind, one), str(one))) for kind, one in found.rows)
    return paging.Page(rows=rows, next_token=found.next_token)


def read_id(kind: str, name: str) -> int:
    """The number that a text is.

    Raises:
        InvalidRequestError: It is none.
    """
    is_short = len(name) <= _MAX_DIGITS and name.isascii() and name.isdigit()
    if not is_short or int(name) > _MAX_ID:
        raise InvalidRequestError(f"{kind} {name!r}: {kind}s are named by their numbers")
    return int(name)


def _labels(
    connection: sqlalchemy.Connection, series: snapshots.Series, ids: list[int]
) -> list[tuple[int, str]]:
    query = sqlalchemy.select(series.heads.c.id, series.heads.c.label)
    rows = connection.execute(query.where(series.heads.c.id.in_(ids)))
    return [(row.id, row.label) for row in rows]


def _series(kind: str) -> snapshots.Series:
    if kind not in SERIES:
        raise InvalidRequestError(f"{kind or 'this kind'!r} has no snapshots and no name")
    return SERIES[kind]
