"""Parameter types: named definitions of the type language, as immutable snapshots."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import RowMapping

from dioptra_controller import paging
from dioptra_controller.database.registry_tables import PARAMETER_TYPE_SNAPSHOTS, PARAMETER_TYPES
from dioptra_controller.registry import names, snapshots
from dioptra_ray.project.model import ProjectType

SERIES = snapshots.Series(
    kind="parameter type",
    heads=PARAMETER_TYPES,
    snapshots=PARAMETER_TYPE_SNAPSHOTS,
    owner="parameter_type_id",
)


MAX_TYPES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterType:
    """One version of a parameter type; a built-in one has number 0 and no time."""

    name: str
    number: int = 0
    description: str = ""
    structure: Any = None
    create_time: dt.datetime | None = None


def put(connection: sqlalchemy.Connection, declared: ProjectType) -> snapshots.Stored:
    """Store a type whose structure is valid.

    Raises:
        InvalidRequestError: Its name is not allowed.
    """
    names.check_type_name(declared.name)
    names.check_text(f"parameter type {declared.name!r}", declared.description)
    content = {"description": declared.description, "structure": declared.structure}
    return snapshots.put(connection, SERIES, declared.name, content)


def list_page(
    connection: sqlalchemy.Connection, page: paging.PageRequest, search: str = ""
) -> paging.Page[ParameterType]:
    """One page of the newest snapshots and the built-in types, sorted by name."""
    size = paging.page_size(page.size)
    key = paging.decode(page.token, SERIES.kind, search)
    after = key[0] if key else ""
    query = snapshots.newest_rows(SERIES, search=search, after=after, limit=size + 1)
    found = [_read(row) for row in connection.execute(query).mappings()]
    found += [
        ParameterType(name=name)
        for name in names.BUILT_IN_TYPES
        if name > after and search.lower() in name
    ]
    found.sort(key=lambda one: one.name)
    return paging.slice_page(found, size, SERIES.kind, search, key=lambda one: [one.name])


def load_all(connection: sqlalchemy.Connection) -> list[ProjectType]:
    """The newest snapshots of all types, sorted by name; without the built-in ones."""
    query = snapshots.newest_rows(SERIES, search="", after="", limit=MAX_TYPES)
    return [
        ProjectType(name=row["name"], description=row["description"], structure=row["structure"])
        for row in connection.execute(query).mappings()
    ]


def _read(row: RowMapping) -> ParameterType:
    return ParameterType(
        name=row["name"],
        number=row["number"],
        description=row["description"],
        structure=row["structure"],
        create_time=row["create_time"],
    )
