"""Entrypoints: typed task graphs over pinned plugin snapshots, as immutable snapshots."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy
from sqlalchemy import RowMapping, select

from dioptra_controller import paging
from dioptra_controller.database.registry_tables import (
    ENTRYPOINT_PLUGINS,
    ENTRYPOINT_SNAPSHOTS,
    ENTRYPOINTS,
    PLUGIN_SNAPSHOTS,
    PLUGINS,
)
from dioptra_controller.registry import names, snapshots
from dioptra_ray.errors import NotFoundError
from dioptra_ray.planning.declarations import Declaration, read_declaration

SERIES = snapshots.Series(
    kind="entrypoint", heads=ENTRYPOINTS, snapshots=ENTRYPOINT_SNAPSHOTS, owner="entrypoint_id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginPin:
    """A plugin snapshot that an entrypoint snapshot pins."""

    snapshot_id: int
    name: str
    number: int
    digest: str


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
    """

    id: int
    number: int
    plugins: tuple[PluginPin, ...]
    create_time: dt.datetime


def put(
    connection: sqlalchemy.Connection, content: EntrypointContent, pins: Sequence[PluginPin]
) -> snapshots.Stored:
    """Store an entrypoint over plugin snapshots that exist.

    Raises:
        InvalidRequestError: Its name is not allowed.
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
        "source": content.source,
        "source_file": content.source_file,
    }
    pinned = sorted((pin.name, pin.digest) for pin in pins)
    stored = snapshots.put(connection, SERIES, content.name, columns, pins=pinned)
    if stored.outcome is not snapshots.Outcome.UNCHANGED and pins:
        rows = [
            {"entrypoint_snapshot_id": stored.id, "plugin_snapshot_id": pin.snapshot_id}
            for pin in pins
        ]
        connection.execute(ENTRYPOINT_PLUGINS.insert(), rows)
    return stored


def load_snapshot(
    connection: sqlalchemy.Connection, name: str, number: int = 0
) -> EntrypointSnapshot:
    """Read a snapshot; number 0 is the newest.

    Raises:
        NotFoundError: There is no such entrypoint or snapshot.
    """
    row = snapshots.get_row(connection, SERIES, name, number)
    return _read(row, _load_pins(connection, [row["id"]]))


def load_by_id(connection: sqlalchemy.Connection, snapshot_id: int) -> EntrypointSnapshot:
    """Read the snapshot with this id.

    Raises:
        NotFoundError: There is none.
    """
    query = (
        select(ENTRYPOINT_SNAPSHOTS, ENTRYPOINTS.c.name)
        .join(ENTRYPOINTS, ENTRYPOINTS.c.id == ENTRYPOINT_SNAPSHOTS.c.entrypoint_id)
        .where(ENTRYPOINT_SNAPSHOTS.c.id == snapshot_id)
    )
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"there is no entrypoint snapshot with id {snapshot_id}")
    return _read(row, _load_pins(connection, [snapshot_id]))


def list_page(
    connection: sqlalchemy.Connection, page: paging.PageRequest, search: str = ""
) -> paging.Page[EntrypointSnapshot]:
    """One page of the newest snapshots, sorted by name."""
    found = snapshots.list_rows(connection, SERIES, page, search)
    pins = _load_pins(connection, [row["id"] for row in found.rows])
    rows = tuple(_read(row, pins) for row in found.rows)
    return paging.Page(rows=rows, next_token=found.next_token)


Pins = Mapping[int, Sequence[PluginPin]]


def _load_pins(connection: sqlalchemy.Connection, snapshot_ids: Sequence[int]) -> Pins:
    query = (
        select(
            ENTRYPOINT_PLUGINS.c.entrypoint_snapshot_id,
            PLUGIN_SNAPSHOTS.c.id,
            PLUGINS.c.name,
            PLUGIN_SNAPSHOTS.c.number,
            PLUGIN_SNAPSHOTS.c.digest,
        )
        .join(PLUGIN_SNAPSHOTS, PLUGIN_SNAPSHOTS.c.id == ENTRYPOINT_PLUGINS.c.plugin_snapshot_id)
        .join(PLUGINS, PLUGINS.c.id == PLUGIN_SNAPSHOTS.c.plugin_id)
        .where(ENTRYPOINT_PLUGINS.c.entrypoint_snapshot_id.in_(snapshot_ids))
        .order_by(PLUGINS.c.name)
    )
    pins: dict[int, list[PluginPin]] = {}
    for owner, snapshot_id, name, number, digest in connection.execute(query):
        pin = PluginPin(snapshot_id=snapshot_id, name=name, number=number, digest=digest)
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
        source=row["source"],
        source_file=row["source_file"],
        plugins=tuple(pins.get(row["id"], ())),
        create_time=row["create_time"],
    )
