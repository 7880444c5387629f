"""Named things with immutable, densely numbered snapshots, whatever they are.

Plugins, parameter types and entrypoints are stored alike: one row for the name, one row
for each snapshot, and a digest over everything in a snapshot that tells whether a new
content is new.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy
from sqlalchemy import RowMapping, Table, func, select

from dioptra_controller import paging
from dioptra_controller.database.statements import contains, insert_if_new
from dioptra_controller.registry import names
from dioptra_ray.errors import NotFoundError


class Outcome(StrEnum):
    """What storing did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Where one kind of thing is stored.

    Attributes:
        kind: What people call it.
        heads: One row for each name.
        snapshots: One row for each snapshot.
        owner: Column of `snapshots` with the id of the head.
    """

    kind: str
    heads: Table
    snapshots: Table
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The newest snapshot after storing."""

    id: int
    number: int
    outcome: Outcome


def put(
    connection: sqlalchemy.Connection,
    series: Series,
    name: str,
    content: Mapping[str, Any],
    *,
    pins: object = None,
) -> Stored:
    """Make a snapshot, unless the newest one has the same content.

    Args:
        connection: The transaction.
        series: Where to store it.
        name: Checked by the caller.
        content: The snapshot's columns.
        pins: What belongs to the content but is stored elsewhere.
    """
    digest = _digest(content, pins)
    now = dt.datetime.now(dt.UTC)
    insert_if_new(connection, series.heads, {"name": name, "create_time": now}, unique=["name"])
    head = connection.execute(
        # The lock makes numbers dense when two write the same name at once.
        select(series.heads.c.id).where(series.heads.c.name == name).with_for_update()
    ).scalar_one()
    table = series.snapshots
    newest = (
        connection.execute(
            select(table.c.id, table.c.number, table.c.content_digest)
            .where(table.c[series.owner] == head)
            .order_by(table.c.number.desc())
            .limit(1)
        )
        .mappings()
        .one_or_none()
    )
    if newest is not None and newest["content_digest"] == digest:
        return Stored(id=newest["id"], number=newest["number"], outcome=Outcome.UNCHANGED)
    number = 1 if newest is None else newest["number"] + 1
    row = {**content, series.owner: head, "number": number}
    row |= {"content_digest": digest, "create_time": now}
    inserted = connection.execute(table.insert().values(**row).returning(table.c.id)).scalar_one()
    outcome = Outcome.CREATED if newest is None else Outcome.UPDATED
    return Stored(id=inserted, number=number, outcome=outcome)


def get_row(
    connection: sqlalchemy.Connection, series: Series, name: str, number: int = 0
) -> RowMapping:
    """The row of a snapshot with its `name`; number 0 is the newest.

    Raises:
        NotFoundError: There is no such name, or no snapshot of that number.
    """
    query = _query(series).where(series.heads.c.name == name)
    query = query.order_by(series.snapshots.c.number.desc()).limit(1)
    if number:
        query = query.where(series.snapshots.c.number == number)
    row = connection.execute(query).mappings().one_or_none()
    if row is not None:
        return row
    if not number:
        raise names.not_found(connection, series.kind, series.heads.c.name, name)
    newest = get_row(connection, series, name)["number"]
    raise NotFoundError(
        f"{series.kind} {name!r} has no snapshot {number}; the newest is {newest}",
        kind=series.kind,
        name=name,
    )


def find_existing(
    connection: sqlalchemy.Connection, series: Series, wanted: list[str]
) -> list[str]:
    """Those of `wanted` that exist, sorted."""
    column = series.heads.c.name
    query = select(column).where(column.in_(wanted)).order_by(column)
    return list(connection.execute(query).scalars())


def list_rows(
    connection: sqlalchemy.Connection, series: Series, page: paging.PageRequest, search: str = ""
) -> paging.Page[RowMapping]:
    """One page of the newest snapshots whose names contain `search`, sorted by name."""
    size = paging.page_size(page.size)
    after = paging.decode(page.token, series.kind, search)
    query = newest_rows(series, search=search, after=after[0] if after else "", limit=size + 1)
    rows = connection.execute(query).mappings().all()
    return paging.slice_page(rows, size, series.kind, search, key=lambda row: [row["name"]])


def newest_rows(series: Series, *, search: str, after: str, limit: int) -> sqlalchemy.Select[Any]:
    """The query for newest snapshots, sorted by name, behind the name `after`."""
    inner = series.snapshots.alias()
    newest = (
        select(func.max(inner.c.number))
        .where(inner.c[series.owner] == series.heads.c.id)
        .scalar_subquery()
    )
    query = _query(series).where(series.snapshots.c.number == newest)
    if search:
        query = query.where(contains(series.heads.c.name, search))
    if after:
        query = query.where(series.heads.c.name > after)
    return query.order_by(series.heads.c.name).limit(limit)


def _query(series: Series) -> sqlalchemy.Select[Any]:
    joined = series.heads.c.id == series.snapshots.c[series.owner]
    return select(series.snapshots, series.heads.c.name).join(series.heads, joined)


def _digest(content: Mapping[str, Any], pins: object) -> str:
    # Mappings keep their order here: the order of a graph's steps has a meaning.
    text = json.dumps([dict(content), pins], separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
