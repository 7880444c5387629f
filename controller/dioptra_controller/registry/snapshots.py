"""Named things with immutable, numbered snapshots, whatever they are.

All are stored alike: one row for the name, one row for each snapshot, and a digest over
everything in a snapshot that tells whether a new content is new. Numbers of a name only
grow: a name that is used again after a deletion goes on counting, so that a name and a
number mean one snapshot for ever.
"""

import datetime as dt
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy
from sqlalchemy import RowMapping, Table, func, select

from dioptra_controller.access import checks
from dioptra_controller.access.caller import Role, current
from dioptra_controller.database.prepared import Prepared
from dioptra_controller.database.statements import insert_if_new
from dioptra_controller.registry import names
from dioptra_ray.errors import AlreadyExistsError, NotFoundError, PreconditionError


class Outcome(StrEnum):
    """What storing did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


class Mode(StrEnum):
    """What storing may do."""

    CREATE = "create"
    UPDATE = "update"
    UPSERT = "upsert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Where one kind of thing is stored.

    Attributes:
        code: The kind in the API, such as "parameter_type".
        heads: One row for each name.
        snapshots: One row for each snapshot.
        writer: The role that is needed to store one.
    """

    code: str
    heads: Table
    snapshots: Table
    writer: Role = Role.PLUGIN_AUTHOR

    @property
    def kind(self) -> str:
        """What people call the kind."""
        return self.code.replace("_", " ")

    @property
    def owner(self) -> "sqlalchemy.Column[int]":
        """Column of `snapshots` with the id of the head."""
        return self.snapshots.c[f"{self.code}_id"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The newest snapshot after storing."""

    id: int
    number: int
    outcome: Outcome

    @property
    def changed(self) -> bool:
        """Whether a snapshot was made."""
        return self.outcome is not Outcome.UNCHANGED


def put(  # noqa: PLR0913 - one argument a fact
    connection: sqlalchemy.Connection,
    series: Series,
    name: str,
    content: Mapping[str, Any],
    *,
    pins: object = None,
    mode: Mode = Mode.UPSERT,
    group: str = "",
) -> Stored:
    """Make a snapshot, unless the newest one has the same content.

    Args:
        connection: The transaction.
        series: Where to store it.
        name: Checked by the caller.
        content: The snapshot's columns.
        pins: What belongs to the content but is stored elsewhere.
        mode: Whether the name may be new, or not.
        group: What something new will belong to; empty for the caller's default.

    Raises:
        AlreadyExistsError: The name is taken, and the mode is to create; or a group that the
            caller does not see has it.
        NotFoundError: The name is free, and the mode is to update.
        PermissionDeniedError: The caller's role in the group is too low.
        PreconditionError: It belongs to another group than the one that is given.
    """
    group = _check_group(connection, series, name, mode=mode, given=group)
    now = dt.datetime.now(dt.UTC)
    row = {"name": name, "label": name, "create_time": now}
    row |= {"group_name": group, "owner": current().subject}
    created = insert_if_new(connection, series.heads, row, unique=["name"])
    if created is None and mode is Mode.CREATE:
        raise AlreadyExistsError(f"there is {names.article(series.kind)} {name!r} already")
    digest = _digest(content, pins)
    head = lock(connection, series, name)
    newest = _newest(connection, series, head)
    if newest is not None and newest["content_digest"] == digest:
        return Stored(id=newest["id"], number=newest["number"], outcome=Outcome.UNCHANGED)
    before = newest["number"] if newest is not None else _last_number(connection, series, name)
    values = {**content, series.owner.name: head, "number": before + 1}
    values |= {"content_digest": digest, "create_time": now}
    statement = series.snapshots.insert().values(**values).returning(series.snapshots.c.id)
    return Stored(
        id=connection.execute(statement).scalar_one(),
        number=before + 1,
        outcome=Outcome.CREATED if newest is None else Outcome.UPDATED,
    )


def _check_group(
    connection: sqlalchemy.Connection, series: Series, name: str, *, mode: Mode, given: str
) -> str:
    """The group of a thing that is, or is to be; see `put`."""
    found = _find_head(series.heads).first(connection, {"wanted": name})
    if found is None:
        if mode is Mode.UPDATE:
            raise not_found(connection, series, name)
        return checks.choose_group(connection, given, series.writer)
    group = str(found.group_name)
    if not checks.is_visible(group):
        if mode is Mode.UPDATE:
            raise not_found(connection, series, name)
        raise AlreadyExistsError(
            f"the name of {series.kind} {name!r} is taken by a group that you do not see; "
            "choose another one"
        )
    if given and given != group:
        raise PreconditionError(
            f"{series.kind} {name!r} belongs to group {group!r}, not to {given!r}, and a name "
            "is used once"
        )
    checks.require(series.writer, group)
    return group


def lock(connection: sqlalchemy.Connection, series: Series, name: str) -> int:
    """Let nobody else store a snapshot of a thing until this transaction ends; its head's id.

    Raises:
        NotFoundError: There is no such name.
        PermissionDeniedError: The caller's role in its group is too low.
    """
    # It also makes numbers dense when two write the same name at once.
    query = select(series.heads.c.id, series.heads.c.group_name).with_for_update()
    head = connection.execute(query.where(series.heads.c.name == name)).one_or_none()
    # None: deleted between the two statements
    if head is None or not checks.is_visible(head.group_name):
        raise not_found(connection, series, name)
    checks.require(series.writer, head.group_name)
    return int(head.id)


def delete(connection: sqlalchemy.Connection, series: Series, name: str) -> int:
    """Take a thing's name away, and return the id of its head; its snapshots stay.

    Raises:
        NotFoundError: There is no such name.
        PermissionDeniedError: It is somebody else's, and the caller is no admin of its group.
    """
    query = select(series.heads.c.group_name, series.heads.c.owner)
    found = connection.execute(query.where(series.heads.c.name == name)).one_or_none()
    if found is None or not checks.is_visible(found.group_name):
        raise not_found(connection, series, name)
    checks.require_owner_or_admin(series.writer, found.group_name, found.owner)
    statement = (
        series.heads.update()
        .where(series.heads.c.name == name)
        .values(name=None, delete_time=dt.datetime.now(dt.UTC))
        .returning(series.heads.c.id)
    )
    deleted = connection.execute(statement).scalar_one_or_none()
    if deleted is None:
        raise not_found(connection, series, name)
    return int(deleted)


def get_head_id(connection: sqlalchemy.Connection, series: Series, name: str) -> int:
    """The id of a thing that exists.

    Raises:
        NotFoundError: There is no such name.
    """
    return int(_get_head(connection, series, name).id)


def get_group(connection: sqlalchemy.Connection, series: Series, name: str) -> str:
    """The group of a thing that exists; see `get_head_id`."""
    return str(_get_head(connection, series, name).group_name)


def _get_head(connection: sqlalchemy.Connection, series: Series, name: str) -> Any:
    found = _find_head(series.heads).first(connection, {"wanted": name})
    if found is None or not checks.is_visible(found.group_name):
        raise not_found(connection, series, name)
    return found


@functools.cache
def _find_head(heads: sqlalchemy.Table) -> Prepared:
    query = select(heads.c.id, heads.c.group_name)
    return Prepared(query.where(heads.c.name == sqlalchemy.bindparam("wanted")))


def get_row(
    connection: sqlalchemy.Connection,
    series: Series,
    name: str,
    number: int = 0,
    *,
    deleted: bool = False,
) -> RowMapping:
    """The row of a snapshot with what `select_rows` adds; number 0 is the newest.

    Args:
        connection: An open transaction.
        series: Where to look.
        name: Of the thing.
        number: Of the snapshot.
        deleted: Whether a numbered snapshot of a deleted thing is found, too.

    Raises:
        NotFoundError: There is no such name, or no snapshot of that number.
    """
    key = series.heads.c.label if deleted and number else series.heads.c.name
    query = select_rows(series).where(key == name, checks.visible(series.heads.c.group_name))
    query = query.order_by(series.snapshots.c.number.desc()).limit(1)
    if number:
        query = query.where(series.snapshots.c.number == number)
    row = connection.execute(query).mappings().one_or_none()
    if row is not None:
        return row
    if not number or not find_existing(connection, series, [name]):
        raise not_found(connection, series, name)
    newest = get_row(connection, series, name)["number"]
    raise NotFoundError(
        f"{series.kind} {name!r} has no snapshot {number}; the newest is {newest}",
        kind=series.kind,
        name=name,
    )


def find_existing(
    connection: sqlalchemy.Connection, series: Series, wanted: list[str]
) -> list[str]:
    """Those of `wanted` that exist for the caller, sorted."""
    column = series.heads.c.name
    query = select(column).where(column.in_(wanted), checks.visible(series.heads.c.group_name))
    query = query.order_by(column)
    return list(connection.execute(query).scalars())


def not_found(connection: sqlalchemy.Connection, series: Series, name: str) -> NotFoundError:
    """Say that there is no such thing (any more)."""
    query = select(func.max(series.heads.c.delete_time)).where(series.heads.c.label == name)
    query = query.where(checks.visible(series.heads.c.group_name))
    deleted = connection.execute(query).scalar_one()
    if deleted is not None:
        return NotFoundError(
            f"{series.kind} {name!r} was deleted at {deleted:%Y-%m-%d %H:%M:%S} UTC; "
            "its history is kept",
            kind=series.kind,
            name=name,
        )
    return names.not_found(connection, series.kind, series.heads.c.name, name)


def newest_only(series: Series) -> "sqlalchemy.ColumnElement[bool]":
    """The condition that a snapshot is the newest of its thing."""
    inner = series.snapshots.alias()
    newest = (
        select(func.max(inner.c.number))
        .where(inner.c[series.owner.name] == series.heads.c.id)
        .scalar_subquery()
    )
    return series.snapshots.c.number == newest


def select_rows(series: Series) -> sqlalchemy.Select[Any]:
    """Snapshots with the name, `head_id`, `delete_time` and `group` of what they belong to."""
    heads = series.heads.c
    return select(
        series.snapshots,
        heads.label.label("name"),
        heads.id.label("head_id"),
        heads.delete_time.label("delete_time"),
        heads.group_name.label("group"),
    ).join(series.heads, heads.id == series.owner)


def _newest(connection: sqlalchemy.Connection, series: Series, head: int) -> RowMapping | None:
    table = series.snapshots
    query = (
        select(table.c.id, table.c.number, table.c.content_digest)
        .where(series.owner == head)
        .order_by(table.c.number.desc())
        .limit(1)
    )
    return connection.execute(query).mappings().one_or_none()


def _last_number(connection: sqlalchemy.Connection, series: Series, name: str) -> int:
    """The highest number that the name had before it was deleted; 0 for a new name."""
    query = (
        select(func.max(series.snapshots.c.number))
        .join(series.heads, series.heads.c.id == series.owner)
        .where(series.heads.c.label == name)
    )
    return connection.execute(query).scalar_one() or 0


def _digest(content: Mapping[str, Any], pins: object) -> str:
    # Inner mappings keep their order: the order of a graph's steps has a meaning.
    text = json.dumps([dict(sorted(content.items())), pins], separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
