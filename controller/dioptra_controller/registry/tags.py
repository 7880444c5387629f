"""Tags: words that people put on anything, to find it again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy
from sqlalchemy import and_, func, or_, select

from dioptra_controller import paging
from dioptra_controller.access import checks
from dioptra_controller.access.caller import current
from dioptra_controller.database.job_tables import JOBS
from dioptra_controller.database.registry_tables import (
    ARTIFACTS,
    ENTRYPOINTS,
    EXPERIMENTS,
    PARAMETER_TYPES,
    PLUGINS,
    QUEUES,
    TAGS,
)
from dioptra_controller.database.statements import contains, insert_if_new
from dioptra_controller.registry import names
from dioptra_ray.errors import InvalidRequestError

MAX_TAGS = 100

_TAGGED: Mapping[str, sqlalchemy.Table] = {
    "plugin": PLUGINS,
    "parameter_type": PARAMETER_TYPES,
    "entrypoint": ENTRYPOINTS,
    "experiment": EXPERIMENTS,
    "queue": QUEUES,
    "artifact": ARTIFACTS,
    "job": JOBS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag in use, and on how many things."""

    name: str
    resources: int


def update(
    connection: sqlalchemy.Connection,
    kind: str,
    resource_id: int,
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
) -> tuple[str, ...]:
    """Add and remove tags of a thing that exists, and return what it has then.

    Raises:
        InvalidRequestError: A tag is no word, is both added and removed, or they are too many.
    """
    if both := set(add) & set(remove):
        raise InvalidRequestError(f"tag {min(both)!r} is both added and removed")
    for tag in add:
        names.check_name("tag", tag)
        row = {"kind": kind, "resource_id": resource_id, "tag": tag}
        insert_if_new(connection, TAGS, row, unique=["tag", "kind", "resource_id"])
    owner = and_(TAGS.c.kind == kind, TAGS.c.resource_id == resource_id)
    connection.execute(TAGS.delete().where(owner, TAGS.c.tag.in_(list(remove))))
    found = load(connection, kind, [resource_id]).get(resource_id, ())
    if len(found) > MAX_TAGS:
        raise InvalidRequestError(f"a thing has at most {MAX_TAGS} tags")
    return found


def load(
    connection: sqlalchemy.Connection, kind: str, ids: Iterable[int]
) -> Mapping[int, tuple[str, ...]]:
    """The sorted tags of those things that have any, by id."""
    query = (
        select(TAGS.c.resource_id, TAGS.c.tag)
        .where(TAGS.c.kind == kind, TAGS.c.resource_id.in_(list(ids)))
        .order_by(TAGS.c.tag)
    )
    found: dict[int, tuple[str, ...]] = {}
    for resource_id, tag in connection.execute(query):
        found[resource_id] = (*found.get(resource_id, ()), tag)
    return found


def list_page(
    connection: sqlalchemy.Connection, page: paging.PageRequest, search: str = ""
) -> paging.Page[Tag]:
    """One page of the tags in use, sorted."""
    size = paging.page_size(page.size)
    after = paging.decode(page.token, "tags", search)
    query = select(TAGS.c.tag, func.count()).where(_visible())
    query = query.group_by(TAGS.c.tag).order_by(TAGS.c.tag)
    if search:
        query = query.where(contains(TAGS.c.tag, search))
    if after is not None:
        query = query.where(TAGS.c.tag > after[0])
    rows = connection.execute(query.limit(size + 1))
    found = [Tag(name=name, resources=count) for name, count in rows]
    return paging.slice_page(found, size, "tags", search, key=lambda tag: [tag.name])


def list_tagged(
    connection: sqlalchemy.Connection, page: paging.PageRequest, tag: str
) -> paging.Page[tuple[str, int]]:
    """One page of (kind, id) of what has a tag, sorted; deleted things have none."""
    size = paging.page_size(page.size)
    after = paging.decode(page.token, "tagged", tag)
    kind, resource = TAGS.c.kind, TAGS.c.resource_id
    query = select(kind, resource).where(TAGS.c.tag == tag, _visible()).order_by(kind, resource)
    if after is not None:
        query = query.where(or_(kind > after[0], and_(kind == after[0], resource > after[1])))
    rows = [(row[0], row[1]) for row in connection.execute(query.limit(size + 1))]
    return paging.slice_page(rows, size, "tagged", tag, key=list)


def _visible() -> "sqlalchemy.ColumnElement[bool]":
    """The condition that the caller may see what has a tag."""
    if current().sees_everything:
        return sqlalchemy.true()
    return or_(
        *(
            and_(
                TAGS.c.kind == kind,
                TAGS.c.resource_id.in_(
                    select(table.c.id).where(checks.visible(table.c.group_name))
                ),
            )
            for kind, table in _TAGGED.items()
        )
    )


def drop(connection: sqlalchemy.Connection, kind: str, resource_id: int) -> None:
    """Take all tags off a thing that is deleted."""
    owner = and_(TAGS.c.kind == kind, TAGS.c.resource_id == resource_id)
    connection.execute(TAGS.delete().where(owner))
