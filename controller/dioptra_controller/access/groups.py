"""Groups: what things belong to, and what roles are held in."""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy
from sqlalchemy import select

from dioptra_controller import paging
from dioptra_controller.access.caller import DEFAULT_GROUP
from dioptra_controller.access.checks import check_group, visible
from dioptra_controller.database.access_tables import GROUPS, TOKEN_ROLES
from dioptra_controller.database.statements import insert_if_new
from dioptra_controller.database.tables import METADATA
from dioptra_controller.registry import names
from dioptra_ray.errors import (
    AlreadyExistsError,
    InvalidRequestError,
    PreconditionError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group."""

    name: str
    description: str
    create_time: dt.datetime


def create(connection: sqlalchemy.Connection, name: str, description: str) -> Group:
    """Make a group.

    Raises:
        InvalidRequestError: The name is not allowed.
        AlreadyExistsError: The name is taken.
    """
    names.check_name("group", name)
    names.check_text(f"group {name!r}", description)
    if any(sign in name for sign in ":,*"):
        raise InvalidRequestError(f"group {name!r}: a name must not hold a colon, comma or star")
    group = Group(name=name, description=description, create_time=dt.datetime.now(dt.UTC))
    row = {"name": name, "description": description, "create_time": group.create_time}
    if insert_if_new(connection, GROUPS, row, unique=["name"]) is None:
        raise AlreadyExistsError(f"there is a group {name!r} already")
    return group


def list_page(connection: sqlalchemy.Connection, page: paging.PageRequest) -> paging.Page[Group]:
    """One page of the groups that the caller has a role in, sorted by name."""
    size = paging.page_size(page.size)
    after = paging.decode(page.token, "groups")
    query = select(GROUPS).where(visible(GROUPS.c.name)).order_by(GROUPS.c.name).limit(size + 1)
    if after is not None:
        query = query.where(GROUPS.c.name > after[0])
    rows = [Group(**row) for row in connection.execute(query).mappings()]
    return paging.slice_page(rows, size, "groups", key=lambda row: [row.name])


def delete(connection: sqlalchemy.Connection, name: str) -> None:
    """Delete a group that is empty, the roles in it included.

    Raises:
        NotFoundError: There is no such group.
        PreconditionError: It is the default one, or something belongs to it, be it deleted.
    """
    check_group(connection, name)
    if name == DEFAULT_GROUP:
        raise PreconditionError("the group 'default' always exists: what there was belongs to it")
    for table in METADATA.sorted_tables:
        column = table.c.get("group_name")
        if column is None or table is TOKEN_ROLES:
            continue
        if connection.execute(select(column).where(column == name).limit(1)).first():
            what = table.name.replace("_", " ")
            raise PreconditionError(
                f"{what} belong to group {name!r}, or have belonged to it; it cannot be deleted"
            )
    connection.execute(TOKEN_ROLES.delete().where(TOKEN_ROLES.c.group_name == name))
    connection.execute(GROUPS.delete().where(GROUPS.c.name == name))
