"""Plugins: named directories of Python files, as immutable snapshots."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import RowMapping

from dioptra_controller import paging
from dioptra_controller.access import checks
from dioptra_controller.database.registry_tables import PLUGIN_SNAPSHOTS, PLUGINS
from dioptra_controller.registry import names, snapshots, tasks
from dioptra_controller.registry.listing import Listing, list_rows
from dioptra_ray.project.model import ArtifactTask, FunctionTask, ProjectPlugin

SERIES = snapshots.Series(code="plugin", heads=PLUGINS, snapshots=PLUGIN_SNAPSHOTS)


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
        head_id: Of the plugin.
        delete_time: When the plugin was deleted.
        group: What the plugin belongs to.
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
    head_id: int = 0
    delete_time: dt.datetime | None = None
    group: str = ""


def put(
    connection: sqlalchemy.Connection,
    plugin: ProjectPlugin,
    digest: str,
    *,
    mode: snapshots.Mode = snapshots.Mode.UPSERT,
    group: str = "",
) -> snapshots.Stored:
    """Store a plugin whose bundle, `digest`, is in the artifact store already.

    Raises:
        InvalidRequestError: Its name is not allowed.
        AlreadyExistsError, NotFoundError: The mode does not allow it.
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
    return snapshots.put(connection, SERIES, plugin.name, content, mode=mode, group=group)


def describe(connection: sqlalchemy.Connection, name: str, description: str) -> snapshots.Stored:
    """Store the same plugin with another description.

    Raises:
        InvalidRequestError: It is not allowed.
        NotFoundError: There is no such plugin.
    """
    names.check_text(f"plugin {name!r}", description)
    row = snapshots.get_row(connection, SERIES, name)
    kept = ("digest", "files", "function_tasks", "artifact_tasks")
    content = {"description": description, **{column: row[column] for column in kept}}
    return snapshots.put(connection, SERIES, name, content, mode=snapshots.Mode.UPDATE)


def load_snapshot(
    connection: sqlalchemy.Connection, name: str, number: int = 0, *, deleted: bool = False
) -> PluginSnapshot:
    """Read a snapshot; number 0 is the newest, `deleted` finds those of deleted plugins, too.

    Raises:
        NotFoundError: There is no such plugin or snapshot.
    """
    return _read(snapshots.get_row(connection, SERIES, name, number, deleted=deleted))


def load_by_ids(connection: sqlalchemy.Connection, ids: Sequence[int]) -> list[PluginSnapshot]:
    """The snapshots with these ids, sorted by name."""
    query = snapshots.select_rows(SERIES).where(PLUGIN_SNAPSHOTS.c.id.in_(ids))
    query = query.order_by(PLUGINS.c.label)
    return [_read(row) for row in connection.execute(query).mappings()]


def load_newest(connection: sqlalchemy.Connection, wanted: Sequence[str]) -> list[PluginSnapshot]:
    """The newest snapshots of those `wanted` plugins that exist, sorted by name."""
    existing = snapshots.find_existing(connection, SERIES, list(wanted))
    return [load_snapshot(connection, name) for name in existing]


def find_by_digest(connection: sqlalchemy.Connection, digest: str) -> PluginSnapshot | None:
    """The newest snapshot with this bundle."""
    query = (
        snapshots.select_rows(SERIES)
        .where(PLUGIN_SNAPSHOTS.c.digest == digest)
        .order_by(PLUGIN_SNAPSHOTS.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _read(row)


def list_page(connection: sqlalchemy.Connection, listing: Listing) -> paging.Page[PluginSnapshot]:
    """One page of the newest snapshots."""
    found = list_rows(connection, SERIES, listing)
    return paging.Page(rows=tuple(map(_read, found.rows)), next_token=found.next_token)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginTask:
    """A task and the snapshot that it is of."""

    plugin: str
    number: int
    task: FunctionTask | ArtifactTask


def list_tasks(
    connection: sqlalchemy.Connection, page: paging.PageRequest, search: str = "", plugin: str = ""
) -> paging.Page[PluginTask]:
    """One page of the tasks of the newest snapshots of all plugins, sorted by id."""
    size = paging.page_size(page.size)
    after = paging.decode(page.token, "tasks", search, plugin) or ("", "")
    query = snapshots.select_rows(SERIES).where(snapshots.newest_only(SERIES))
    query = query.where(PLUGINS.c.name >= after[0], checks.visible(PLUGINS.c.group_name))
    query = query.order_by(PLUGINS.c.name)
    if plugin:
        snapshots.get_head_id(connection, SERIES, plugin)
        query = query.where(PLUGINS.c.name == plugin)
    found: list[PluginTask] = []
    with connection.execute(query) as rows:
        for row in rows.mappings():
            one = _read(row)
            every: list[FunctionTask | ArtifactTask] = sorted(
                (*one.function_tasks, *one.artifact_tasks), key=lambda task: task.id
            )
            found += [
                PluginTask(plugin=one.name, number=one.number, task=task)
                for task in every
                if (one.name, task.id) > after and search.lower() in task.id.lower()
            ]
            if len(found) > size:
                break
    return paging.slice_page(
        found, size, "tasks", search, plugin, key=lambda one: [one.plugin, one.task.id]
    )


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
        head_id=row["head_id"],
        delete_time=row["delete_time"],
        group=row["group"],
    )
