"""Lists of named things: searched, sorted, by tag, in pages."""

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy
from sqlalchemy import RowMapping, and_, or_, select, type_coerce

from dioptra_controller import paging
from dioptra_controller.access import checks
from dioptra_controller.database.registry_tables import TAGS
from dioptra_controller.database.statements import contains
from dioptra_controller.registry.snapshots import Series, newest_only, select_rows
from dioptra_ray.errors import InvalidRequestError

_ORDERS = ("name", "create_time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a list call asks for.

    Attributes:
        page: Which page.
        search: Only names or descriptions that contain this text.
        order_by: "name" or "create_time", either with " desc" behind it; empty for the name.
        tag: Only what has this tag.
        deleted: What was deleted, instead of what exists.
    """

    page: paging.PageRequest = field(default_factory=paging.PageRequest)
    search: str = ""
    order_by: str = ""
    tag: str = ""
    deleted: bool = False

    @property
    def column(self) -> str:
        """What is sorted by.

        Raises:
            InvalidRequestError: It is nothing that can be sorted by.
        """
        column, _, direction = (self.order_by or "name").partition(" ")
        if column not in _ORDERS or direction not in ("", "asc", "desc"):
            raise InvalidRequestError(
                f"order_by is {self.order_by!r}; use one of {', '.join(_ORDERS)}, "
                "with ' desc' behind it for the other direction"
            )
        return column

    @property
    def descending(self) -> bool:
        """Whether the largest comes first."""
        return self.order_by.endswith(" desc")

    def bound(self, kind: str) -> tuple[Any, ...]:
        """What a page token of this list is bound to."""
        return (kind, self.search, self.column, self.descending, self.tag, self.deleted)


def list_rows(
    connection: sqlalchemy.Connection, series: Series, listing: Listing
) -> paging.Page[RowMapping]:
    """One page of the newest snapshots; see `snapshots.select_rows` for what rows have."""
    size = paging.page_size(listing.page.size)
    bound = listing.bound(series.kind)
    after = paging.decode(listing.page.token, *bound)
    rows = find_rows(connection, series, listing, after=after, limit=size + 1)
    return paging.slice_page(rows, size, *bound, key=lambda row: [row["sort_key"], row["head_id"]])


def find_rows(
    connection: sqlalchemy.Connection,
    series: Series,
    listing: Listing,
    *,
    after: tuple[Any, ...] | None = None,
    limit: int,
) -> list[RowMapping]:
    """The first rows of a list behind the sort key `after`; rows have their `sort_key`."""
    heads = series.heads.c
    query = select_rows(series).where(newest_only(series), checks.visible(heads.group_name))
    query = query.where(heads.name.is_(None) if listing.deleted else heads.name.is_not(None))
    if listing.search:
        description = series.snapshots.c.description
        found = or_(contains(heads.label, listing.search), contains(description, listing.search))
        query = query.where(found)
    if listing.tag:
        query = query.where(has_tag(series.code, heads.id, listing.tag))
    key: sqlalchemy.ColumnElement[Any] = heads.label
    if listing.column == "create_time":
        # As the number that is stored, which a page token can hold.
        key = type_coerce(series.snapshots.c.create_time, sqlalchemy.BigInteger)
    query = query.add_columns(key.label("sort_key"))
    if after is not None:
        query = query.where(_behind(key, heads.id, after, descending=listing.descending))
    order = [key.desc(), heads.id.desc()] if listing.descending else [key, heads.id]
    return list(connection.execute(query.order_by(*order).limit(limit)).mappings())


def has_tag(
    kind: str, resource_id: "sqlalchemy.ColumnElement[int]", tag: str
) -> "sqlalchemy.ColumnElement[bool]":
    """The condition that a thing has a tag."""
    matches = and_(TAGS.c.tag == tag, TAGS.c.kind == kind, TAGS.c.resource_id == resource_id)
    return select(TAGS.c.tag).where(matches).exists()


def _behind(
    key: "sqlalchemy.ColumnElement[Any]",
    head: "sqlalchemy.ColumnElement[int]",
    after: tuple[Any, ...],
    *,
    descending: bool,
) -> "sqlalchemy.ColumnElement[bool]":
    last_key, last_head = after
    if descending:
        return or_(key < last_key, and_(key == last_key, head < last_head))
    return or_(key > last_key, and_(key == last_key, head > last_head))
