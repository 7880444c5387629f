"""Drafts: what may become an entrypoint, kept with everything that is wrong with it.

A draft never is an entrypoint: nothing can run it, and publishing it checks it anew.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import sqlalchemy
from sqlalchemy import RowMapping, select

from dioptra_controller import paging
from dioptra_controller.access import checks
from dioptra_controller.access.caller import Role, current
from dioptra_controller.database.registry_tables import ENTRYPOINT_DRAFTS
from dioptra_controller.database.statements import contains, insert_if_new
from dioptra_controller.registry import names
from dioptra_ray.errors import AlreadyExistsError, InvalidDescriptionError, PreconditionError
from dioptra_ray.language.issues import Issue


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A draft; `issues` is what was wrong with it when it was saved."""

    name: str
    description: str
    source: str
    source_file: str
    plugins: tuple[str, ...]
    issues: tuple[Issue, ...] = ()
    update_time: dt.datetime | None = None
    group: str = ""


def put(connection: sqlalchemy.Connection, draft: Draft) -> Draft:
    """Keep a draft, instead of the one of its name if there is one.

    Raises:
        InvalidRequestError: Its name or a text is not allowed.
        AlreadyExistsError: A group that the caller does not see has the name.
        PermissionDeniedError: The caller's role in the group is too low.
        PreconditionError: The draft belongs to another group.
    """
    names.check_name("entrypoint", draft.name)
    for text in (draft.description, draft.source_file):
        names.check_text(f"draft {draft.name!r}", text)
    if "\0" in draft.source:
        names.check_text(f"draft {draft.name!r}", "\0")
    row = {
        "description": draft.description,
        "source": draft.source,
        "source_file": draft.source_file,
        "plugins": list(draft.plugins),
        "issues": [asdict(issue) for issue in draft.issues],
        "update_time": dt.datetime.now(dt.UTC),
    }
    group = _check_group(connection, draft)
    named = {"name": draft.name, "group_name": group, "owner": current().subject, **row}
    if insert_if_new(connection, ENTRYPOINT_DRAFTS, named, unique=["name"]) is None:
        table = ENTRYPOINT_DRAFTS
        connection.execute(table.update().where(table.c.name == draft.name).values(**row))
    return get(connection, draft.name)


def _check_group(connection: sqlalchemy.Connection, draft: Draft) -> str:
    query = select(ENTRYPOINT_DRAFTS.c.group_name)
    query = query.where(ENTRYPOINT_DRAFTS.c.name == draft.name)
    group = connection.execute(query).scalar_one_or_none()
    if group is None:
        return checks.choose_group(connection, draft.group, Role.PLUGIN_AUTHOR)
    if not checks.is_visible(group):
        raise AlreadyExistsError(
            f"the name of draft {draft.name!r} is taken by a group that you do not see; "
            "choose another one"
        )
    if draft.group not in {"", group}:
        raise PreconditionError(
            f"draft {draft.name!r} belongs to group {group!r}, not to {draft.group!r}"
        )
    checks.require(Role.PLUGIN_AUTHOR, group)
    return str(group)


def get(connection: sqlalchemy.Connection, name: str) -> Draft:
    """Read a draft.

    Raises:
        NotFoundError: There is none of that name.
    """
    found = _find(connection, name)
    if found is None:
        column = ENTRYPOINT_DRAFTS.c.name
        raise names.not_found(connection, "draft of an entrypoint", column, name)
    return found


def list_page(
    connection: sqlalchemy.Connection, page: paging.PageRequest, search: str = ""
) -> paging.Page[Draft]:
    """One page of drafts, sorted by name."""
    size = paging.page_size(page.size)
    after = paging.decode(page.token, "drafts", search)
    query = select(ENTRYPOINT_DRAFTS).order_by(ENTRYPOINT_DRAFTS.c.name).limit(size + 1)
    query = query.where(checks.visible(ENTRYPOINT_DRAFTS.c.group_name))
    if search:
        query = query.where(contains(ENTRYPOINT_DRAFTS.c.name, search))
    if after is not None:
        query = query.where(ENTRYPOINT_DRAFTS.c.name > after[0])
    rows = [_read(row) for row in connection.execute(query).mappings()]
    return paging.slice_page(rows, size, "drafts", search, key=lambda row: [row.name])


def delete(connection: sqlalchemy.Connection, name: str) -> None:
    """Throw a draft away.

    Raises:
        NotFoundError: There is none of that name.
        PermissionDeniedError: The caller's role in its group is too low.
    """
    checks.require(Role.PLUGIN_AUTHOR, get(connection, name).group)
    connection.execute(ENTRYPOINT_DRAFTS.delete().where(ENTRYPOINT_DRAFTS.c.name == name))


def refuse_draft(connection: sqlalchemy.Connection, name: str) -> None:
    """Say that an entrypoint is a draft only, if there is one.

    Raises:
        InvalidDescriptionError: The draft has problems.
        PreconditionError: It has none, but was not published.
    """
    draft = _find(connection, name)
    if draft is None:
        return
    errors: Sequence[Issue] = [issue for issue in draft.issues if issue.severity == "error"]
    if errors:
        count = "a problem" if len(errors) == 1 else f"{len(errors)} problems"
        raise InvalidDescriptionError(
            f"entrypoint {name!r} is a draft only, with {count}; repair and publish it first",
            draft.issues,
            entrypoint=name,
        )
    raise PreconditionError(f"entrypoint {name!r} is a draft only; publish it first")


def _find(connection: sqlalchemy.Connection, name: str) -> Draft | None:
    query = select(ENTRYPOINT_DRAFTS).where(ENTRYPOINT_DRAFTS.c.name == name)
    query = query.where(checks.visible(ENTRYPOINT_DRAFTS.c.group_name))
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _read(row)


def _read(row: RowMapping) -> Draft:
    return Draft(
        name=row["name"],
        description=row["description"],
        source=row["source"],
        source_file=row["source_file"],
        plugins=tuple(row["plugins"]),
        issues=tuple(Issue(**issue) for issue in row["issues"]),
        update_time=row["update_time"],
        group=row["group_name"],
    )
