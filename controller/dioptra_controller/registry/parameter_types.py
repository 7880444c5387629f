"""Parameter types: named definitions of the type language, as immutable snapshots."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import RowMapping

from dioptra_controller import paging
from dioptra_controller.database.registry_tables import PARAMETER_TYPE_SNAPSHOTS, PARAMETER_TYPES
from dioptra_controller.registry import names, snapshots
from dioptra_controller.registry.listing import Listing, find_rows
from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.language.issues import Issue
from dioptra_ray.language.types import TypeDefinitionError, build_types
from dioptra_ray.language.types.building import referenced_names
from dioptra_ray.project.model import ProjectType

SERIES = snapshots.Series(
    code="parameter_type", heads=PARAMETER_TYPES, snapshots=PARAMETER_TYPE_SNAPSHOTS
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
    head_id: int = 0
    delete_time: dt.datetime | None = None
    group: str = ""


def put(
    connection: sqlalchemy.Connection,
    declared: ProjectType,
    *,
    mode: snapshots.Mode = snapshots.Mode.UPSERT,
    group: str = "",
) -> snapshots.Stored:
    """Store a type whose structure is valid; see `find_problems`.

    Raises:
        InvalidRequestError: Its name is not allowed.
        AlreadyExistsError, NotFoundError: The mode does not allow it.
    """
    names.check_type_name(declared.name)
    names.check_text(f"parameter type {declared.name!r}", declared.description)
    content = {"description": declared.description, "structure": declared.structure}
    return snapshots.put(connection, SERIES, declared.name, content, mode=mode, group=group)


def put_checked(
    connection: sqlalchemy.Connection,
    declared: ProjectType,
    *,
    mode: snapshots.Mode,
    group: str = "",
) -> snapshots.Stored:
    """Store a type after checking its structure against the types that there are.

    Raises:
        InvalidRequestError: Its name is not allowed.
        InvalidDescriptionError: Its structure is wrong.
        AlreadyExistsError, NotFoundError: The mode does not allow it.
    """
    names.check_type_name(declared.name)
    known = {one.name: one.structure for one in load_all(connection)}
    if issues := find_problems(declared, known):
        raise InvalidDescriptionError(issues[0].message, issues)
    return put(connection, declared, mode=mode, group=group)


def find_problems(declared: ProjectType, known: Mapping[str, Any]) -> list[Issue]:
    """What is wrong with a structure, so that no entrypoint could use it.

    Args:
        declared: The type.
        known: Structures of the registered types by name; the type itself may be among them.
    """
    try:
        build_types(_reachable(declared.name, {**known, declared.name: declared.structure}))
    except TypeDefinitionError as error:
        message = f"Parameter type {declared.name!r}: {error}"
        path = f"$.types.{declared.name}"
        return [declared.place.issue(error.code, message, path=path)]
    return []


def describe(connection: sqlalchemy.Connection, name: str, description: str) -> snapshots.Stored:
    """Store the same type with another description.

    Raises:
        InvalidRequestError: It is not allowed.
        NotFoundError: There is no such type.
    """
    found = _read(snapshots.get_row(connection, SERIES, name))
    declared = ProjectType(name=name, description=description, structure=found.structure)
    return put(connection, declared, mode=snapshots.Mode.UPDATE)


def load_snapshot(
    connection: sqlalchemy.Connection, name: str, number: int = 0, *, deleted: bool = False
) -> ParameterType:
    """Read a snapshot, or a built-in type; number 0 is the newest.

    Raises:
        NotFoundError: There is no such type or snapshot.
    """
    if name in names.BUILT_IN_TYPES and not number:
        return ParameterType(name=name)
    return _read(snapshots.get_row(connection, SERIES, name, number, deleted=deleted))


def list_page(connection: sqlalchemy.Connection, listing: Listing) -> paging.Page[ParameterType]:
    """One page of the newest snapshots and the built-in types, which count as the oldest."""
    size = paging.page_size(listing.page.size)
    bound = listing.bound(SERIES.kind)
    after = paging.decode(listing.page.token, *bound)
    rows = find_rows(connection, SERIES, listing, after=after, limit=size + 1)
    found = [((row["sort_key"], row["head_id"]), _read(row)) for row in rows]
    if not listing.tag and not listing.deleted:
        found += _built_in(listing, after)
    found.sort(key=lambda pair: pair[0], reverse=listing.descending)
    page = paging.slice_page(found, size, *bound, key=lambda pair: pair[0])
    return paging.Page(rows=tuple(one for _, one in page.rows), next_token=page.next_token)


def load_all(connection: sqlalchemy.Connection) -> list[ProjectType]:
    """The newest snapshots of all types, sorted by name; without the built-in ones."""
    return [
        ProjectType(name=row["name"], description=row["description"], structure=row["structure"])
        for row in find_rows(connection, SERIES, Listing(), limit=MAX_TYPES)
    ]


def _reachable(name: str, definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The definition of a type and of all that it mentions: others may be as they like."""
    found: dict[str, Any] = {}
    pending = [name]
    while pending:
        one = pending.pop()
        if one in definitions and one not in found:
            found[one] = definitions[one]
            pending.extend(referenced_names(definitions[one]))
    return found


def _built_in(
    listing: Listing, after: tuple[Any, ...] | None
) -> list[tuple[tuple[Any, int], ParameterType]]:
    found = []
    for number, name in enumerate(names.BUILT_IN_TYPES):
        # Ids of rows begin with 1, so these cannot meet them.
        key = (name, 0) if listing.column == "name" else (0, -number)
        behind = after is None or (key < after if listing.descending else key > after)
        if behind and listing.search.lower() in name:
            found.append((key, ParameterType(name=name)))
    return found


def _read(row: RowMapping) -> ParameterType:
    return ParameterType(
        name=row["name"],
        number=row["number"],
        description=row["description"],
        structure=row["structure"],
        create_time=row["create_time"],
        head_id=row["head_id"],
        delete_time=row["delete_time"],
        group=row["group"],
    )
