"""Plugins: named directories of Python files, as immutable snapshots."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import RowMapping, select

from dioptra_controller import paging
from dioptra_controller.database.registry_tables import PLUGIN_SNAPSHOTS, PLUGINS
from dioptra_controller.registry import names, snapshots, tasks
from dioptra_ray.project.model import ArtifactTask, FunctionTask, ProjectPlugin

SERIES = snapshots.Series(
    kind="plugin", heads=PLUGINS, snapshots=PLUGIN_SNAPSHOTS, owner="plugin_id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFile:
    """One file of a snapshot; its content lies in the bundle."""

    path: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSnapshot:
    """One version of a plugin.

    Attributes:
        id: Of the snapshot.
        name: Of the plugin.
        number: Dense from 1 for each plugin.
        description: Free text.
        digest: Of the bundle in the artifact store.
        files: Sorted by path.
        function_tasks: Sorted by id.
        artifact_tasks: Sorted by id.
        create_time: When it was made.
    """

    id: int
    name: str
    number: int
    description: str
    digest: str
    files: tuple[PluginFile, ...]
    function_tasks: tuple[FunctionTask, ...]
    artifact_tasks: tuple[ArtifactTask, ...]
    create_time: dt.datetime


def put(connection: sqlalchemy.Connection, plugin: ProjectPlugin, digest: str) -> snapshots.Stored:
    """Store a plugin whose bundle, `digest`, is in the artifact store already.

    Raises:
        InvalidRequestError: Its name is not allowed.
    """
    names.check_plugin_name(plugin.name)
    names.check_text(f"plugin {plugin.name!r}", plugin.description)
    content: dict[str, Any] = {
        "description": plugin.description,
        "digest": digest,
        "files": [{"path": path, "size": len(plugin.files[path])} for path in sorted(plugin.files)],
        "function_tasks": [tasks.write_function(task) for task in plugin.function_tasks],
        "artifact_tasks": [tasks.write_artifact(task) for task in plugin.artifact_tasks],
    }
    return snapshots.put(connection, SERIES, plugin.name, content)


def load_snapshot(connection: sqlalchemy.Connection, name: str, number: int = 0) -> PluginSnapshot:
    """Read a snapshot; number 0 is the newest.

    Raises:
        NotFoundError: There is no such plugin or snapshot.
    """
    return _read(snapshots.get_row(connection, SERIES, name, number))


def load_newest(connection: sqlalchemy.Connection, wanted: Sequence[str]) -> list[PluginSnapshot]:
    """The newest snapshots of those `wanted` plugins that exist, sorted by name."""
    existing = snapshots.find_existing(connection, SERIES, list(wanted))
    return [load_snapshot(connection, name) for name in existing]


def find_by_digest(connection: sqlalchemy.Connection, digest: str) -> PluginSnapshot | None:
    """The newest snapshot with this bundle."""
    query = (
        select(PLUGIN_SNAPSHOTS, PLUGINS.c.name)
        .join(PLUGINS, PLUGINS.c.id == PLUGIN_SNAPSHOTS.c.plugin_id)
        .where(PLUGIN_SNAPSHOTS.c.digest == digest)
        .order_by(PLUGIN_SNAPSHOTS.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _read(row)


def list_page(
    connection: sqlalchemy.Connection, page: paging.PageRequest, search: str = ""
) -> paging.Page[PluginSnapshot]:
    """One page of the newest snapshots, sorted by name."""
    found = snapshots.list_rows(connection, SERIES, page, search)
    return paging.Page(rows=tuple(map(_read, found.rows)), next_token=found.next_token)


def _read(row: RowMapping) -> PluginSnapshot:
    return PluginSnapshot(
        id=row["id"],
        name=row["name"],
        number=row["number"],
        description=row["description"],
        digest=row["digest"],
        files=tuple(PluginFile(**file) for file in row["files"]),
        function_tasks=tuple(map(tasks.read_function, row["function_tasks"])),
        artifact_tasks=tuple(map(tasks.read_artifact, row["artifact_tasks"])),
        create_time=row["create_time"],
    )
