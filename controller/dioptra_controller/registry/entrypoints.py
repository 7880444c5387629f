"""Entrypoints: typed task graphs over pinned plugin snapshots, as immutable snapshots."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import sqlalchemy
from sqlalchemy import RowMapping, func, select

from dioptra_controller import paging
from dioptra_controller.access import checks
from dioptra_controller.database.registry_tables import (
    ENTRYPOINT_PLUGINS,
    ENTRYPOINT_SNAPSHOTS,
    ENTRYPOINTS,
    PLUGIN_SNAPSHOTS,
    PLUGINS,
)
from dioptra_controller.registry import drafts, names, snapshots
from dioptra_controller.registry.listing import Listing, list_rows
from dioptra_ray.errors import NotFoundError
from dioptra_ray.planning.declarations import Declaration, read_declaration

SERIES = snapshots.Series(code="entrypoint", heads=ENTRYPOINTS, snapshots=ENTRYPOINT_SNAPSHOTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginPin:
    """A plugin snapshot that an entrypoint snapshot pins.

    Attributes:
        snapshot_id: Its id.
        name: Of the plugin.
        number: Of the snapshot.
        digest: Of its bundle.
        newest: Number of the plugin's newest snapshot; 0 when it was deleted.
    """

    snapshot_id: int
    name: str
    number: int
    digest: str
    newest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrypointContent:
    """Everything in an entrypoint but its pins.

    Attributes:
        name: Of the entrypoint.
        summary: Free text.
        description: The self-contained, valid description.
        artifact_tasks: Id ("plugin.module.Class") by artifact task name.
        argument_schemas: JSON-schema properties of the arguments, by artifact task name.
        declarations: What tasks say about how they run, by task name.
        parameter_kinds: How a text becomes a value, by parameter.
        declared: What it was put together from, see `registry.declared`.
        source: The text that the user wrote.
        source_file: Name of its file; may be empty.
    """

    name: str
    summary: str = ""
    description: Mapping[str, Any]
    artifact_tasks: Mapping[str, str] = field(default_factory=dict)
    argument_schemas: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    declarations: Mapping[str, Declaration] = field(default_factory=dict)
    parameter_kinds: Mapping[str, str] = field(default_factory=dict)
    declared: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    source_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrypointSnapshot(EntrypointContent):
    """One version of an entrypoint.

    Attributes:
        id: Of the snapshot.
        number: Dense from 1 for each entrypoint.
        plugins: Its pins, sorted by name.
        create_time: When it was made.
        head_id: Of the entrypoint.
        delete_time: When the entrypoint was deleted.
        group: What the entrypoint belongs to.
    """

    id: int
    number: int
    plugins: tuple[PluginPin, ...]
    create_time: dt.datetime
    head_id: int = 0
    delete_time: dt.datetime | None = None
    group: str = ""


def put(
    connection: sqlalchemy.Connection,
    content: EntrypointContent,
    pins: Sequence[PluginPin],
    *,
    mode: snapshots.Mode = snapshots.Mode.UPSERT,
    group: str = "",
) -> snapshots.Stored:
    """Store an entrypoint over plugin snapshots that exist.

    Raises:
        InvalidRequestError: Its name is not allowed.
        AlreadyExistsError, NotFoundError: The mode does not allow it.
    """
    names.check_name("entrypoint", content.name)
    for text in (content.summary, content.source_file):
        names.check_text(f"entrypoint {content.name!r}", text)
    columns = {
        "description": content.summary,
        "graph": content.description,
        "artifact_tasks": dict(content.artifact_tasks),
        "argument_schemas": dict(content.argument_schemas),
        "declarations": {
            task: declaration.to_mapping() for task, declaration in content.declarations.items()
        },
        "parameter_kinds": dict(content.parameter_kinds),
        "declared": dict(content.declared),
        "source": content.source,
        "source_file": content.source_file,
    }
    pinned = sorted((pin.name, pin.digest) for pin in pins)
    stored = snapshots.put(
        connection, SERIES, content.name, columns, pins=pinned, mode=mode, group=group
    )
    if stored.changed and pins:
        rows = [
            {"entrypoint_snapshot_id": stored.id, "plugin_snapshot_id": pin.snapshot_id}
            for pin in pins
        ]
        connection.execute(ENTRYPOINT_PLUGINS.insert(), rows)
    return stored


def describe(connection: sqlalchemy.Connection, name: str, summary: str) -> snapshots.Stored:
    """Store the same entrypoint with another description.

    Raises:
        InvalidRequestError: It is not allowed.
        NotFoundError: There is no such entrypoint.
    """
    found = load_snapshot(connection, name)
    kept = {one.name: getattr(found, one.name) for one in fields(EntrypointContent)}
    content = EntrypointContent(**{**kept, "summary": summary})
    return put(connection, content, found.plugins, mode=snapshots.Mode.UPDATE)


def load_snapshot(
    connection: sqlalchemy.Connection, name: str, number: int = 0, *, deleted: bool = False
) -> EntrypointSnapshot:
    """Read a snapshot; number 0 is the newest, `deleted` finds deleted entrypoints', too.

    Raises:
        NotFoundError: There is no such entrypoint or snapshot.
        InvalidDescriptionError: There is a draft of that name only, and it has problems.
        PreconditionError: There is a draft of that name only.
    """
    try:
        row = snapshots.get_row(connection, SERIES, name, number, deleted=deleted)
    except NotFoundError:
        drafts.refuse_draft(connection, name)
        raise
    return _read(row, _load_pins(connection, [row["id"]]))


def load_by_id(connection: sqlalchemy.Connection, snapshot_id: int) -> EntrypointSnapshot:
    """Read the snapshot with this id, of an entrypoint that may have been deleted.

    Raises:
        NotFoundError: There is none.
    """
    query = snapshots.select_rows(SERIES).where(ENTRYPOINT_SNAPSHOTS.c.id == snapshot_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"there is no entrypoint snapshot with id {snapshot_id}")
    return _read(row, _load_pins(connection, [snapshot_id]))


def check_visible(connection: sqlalchemy.Connection, snapshot_id: int) -> None:
    """Refuse a snapshot of an entrypoint that the caller may not see.

    Raises:
        NotFoundError: The caller may not see it.
    """
    query = select(ENTRYPOINTS.c.label, ENTRYPOINTS.c.group_name)
    query = query.join(
        ENTRYPOINT_SNAPSHOTS, ENTRYPOINT_SNAPSHOTS.c.entrypoint_id == ENTRYPOINTS.c.id
    )
    found = connection.execute(query.where(ENTRYPOINT_SNAPSHOTS.c.id == snapshot_id)).one()
    if not checks.is_visible(found.group_name):
        raise snapshots.not_found(connection, SERIES, found.label)


def list_page(
    connection: sqlalchemy.Connection, listing: Listing
) -> paging.Page[EntrypointSnapshot]:
    """One page of the newest snapshots."""
    found = list_rows(connection, SERIES, listing)
    pins = _load_pins(connection, [row["id"] for row in found.rows])
    rows = tuple(_read(row, pins) for row in found.rows)
    return paging.Page(rows=rows, next_token=found.next_token)


def list_users(connection: sqlalchemy.Connection, plugin_id: int) -> list[tuple[str, int]]:
    """Name and snapshot number of the entrypoints whose newest snapshot pins a plugin."""
    query = (
        select(ENTRYPOINTS.c.name, ENTRYPOINT_SNAPSHOTS.c.number)
        .join(ENTRYPOINTS, ENTRYPOINTS.c.id == ENTRYPOINT_SNAPSHOTS.c.entrypoint_id)
        .join(
            ENTRYPOINT_PLUGINS,
            ENTRYPOINT_PLUGINS.c.entrypoint_snapshot_id == ENTRYPOINT_SNAPSHOTS.c.id,
        )
        .join(PLUGIN_SNAPSHOTS, PLUGIN_SNAPSHOTS.c.id == ENTRYPOINT_PLUGINS.c.plugin_snapshot_id)
        .where(PLUGIN_SNAPSHOTS.c.plugin_id == plugin_id, ENTRYPOINTS.c.name.is_not(None))
        .where(snapshots.newest_only(SERIES), checks.visible(ENTRYPOINTS.c.group_name))
        .order_by(ENTRYPOINTS.c.name)
    )
    return [(name, number) for name, number in connection.execute(query)]


Pins = Mapping[int, Sequence[PluginPin]]


def _load_pins(connection: sqlalchemy.Connection, snapshot_ids: Sequence[int]) -> Pins:
    live, newer = PLUGINS.alias(), PLUGIN_SNAPSHOTS.alias()
    # By label: a plugin that was deleted and made again is the same to those who use it.
    newest = (
        select(func.max(newer.c.number))
        .join(live, live.c.id == newer.c.plugin_id)
        .where(live.c.name == PLUGINS.c.label)
        .scalar_subquery()
    )
    query = (
        select(
            ENTRYPOINT_PLUGINS.c.entrypoint_snapshot_id,
            PLUGIN_SNAPSHOTS.c.id,
            PLUGINS.c.label,
            PLUGIN_SNAPSHOTS.c.number,
            PLUGIN_SNAPSHOTS.c.digest,
            newest,
        )
        .join(PLUGIN_SNAPSHOTS, PLUGIN_SNAPSHOTS.c.id == ENTRYPOINT_PLUGINS.c.plugin_snapshot_id)
        .join(PLUGINS, PLUGINS.c.id == PLUGIN_SNAPSHOTS.c.plugin_id)
        .where(ENTRYPOINT_PLUGINS.c.entrypoint_snapshot_id.in_(snapshot_ids))
        .order_by(PLUGINS.c.label)
    )
    pins: dict[int, list[PluginPin]] = {}
    for owner, snapshot_id, name, number, digest, last in connection.execute(query):
        pin = PluginPin(
            snapshot_id=snapshot_id, name=name, number=number, digest=digest, newest=last or 0
        )
        pins.setdefault(owner, []).append(pin)
    return pins


def _read(row: RowMapping, pins: Pins) -> EntrypointSnapshot:
    return EntrypointSnapshot(
        id=row["id"],
        name=row["name"],
        number=row["number"],
        summary=row["description"],
        description=row["graph"],
        artifact_tasks=row["artifact_tasks"],
        argument_schemas=row["argument_schemas"],
        declarations={task: read_declaration(data) for task, data in row["declarations"].items()},
        parameter_kinds=row["parameter_kinds"],
        declared=row["declared"],
        source=row["source"],
        source_file=row["source_file"],
        plugins=tuple(pins.get(row["id"], ())),
        create_time=row["create_time"],
        head_id=row["head_id"],
        delete_time=row["delete_time"],
        group=row["group"],
    )
