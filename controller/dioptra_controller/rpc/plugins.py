"""PluginService."""

import asyncio
from collections.abc import Mapping
from typing import Any

import sqlalchemy

from dioptra_controller.database.engine import Database
from dioptra_controller.paging import PageRequest
from dioptra_controller.registry import parameter_types, plugin_files, plugins, snapshots
from dioptra_controller.registry.names import check_plugin_name
from dioptra_controller.registry.plugin_files import FileChange
from dioptra_controller.rpc.archives import keep_stored, load_stored, read_bounded
from dioptra_controller.rpc.encode import write_plugin, write_task
from dioptra_controller.rpc.listings import page_with_tags, read_listing, read_mode, with_tags
from dioptra_ray.api.controller.v1 import plugin_pb2
from dioptra_ray.api.controller.v1 import plugin_service_pb2 as pb
from dioptra_ray.api.controller.v1 import plugin_service_pb2_grpc as pb_grpc
from dioptra_ray.errors import ConflictError, InvalidDescriptionError
from dioptra_ray.plugins.bundle import Bundle, pack
from dioptra_ray.project.model import ProjectPlugin
from dioptra_ray.project.reader import read_plugin
from dioptra_ray.store import ArtifactStore, bundle_key

KIND = "plugin"

# Somebody else may change the same plugin between reading and writing.
_MAX_TRIES = 5


class PluginServicer(pb_grpc.PluginServiceServicer):
    """Answers for plugins."""

    def __init__(self, database: Database, store: ArtifactStore) -> None:
        self._database = database
        self._store = store

    async def PutPlugin(self, request: pb.PutPluginRequest, context: Any) -> pb.PutPluginResponse:
        """Store one; its tasks are what its source says."""
        check_plugin_name(request.name)
        mode = read_mode(request.mode)
        types = await self._database.read(parameter_types.load_all)
        type_names = frozenset(one.name for one in types)
        plugin, bundle = await asyncio.to_thread(_read, request, type_names)
        await self._put_bundle(bundle)
        stored = await self._database.write(
            plugins.put, plugin, bundle.digest, mode=mode, group=request.group
        )
        await asyncio.to_thread(keep_stored, self._store, bundle)
        shown = await self._show(request.name, stored.number)
        return pb.PutPluginResponse(plugin=shown, changed=stored.changed)

    async def GetPlugin(self, request: pb.GetPluginRequest, context: Any) -> pb.GetPluginResponse:
        """Show one."""
        return pb.GetPluginResponse(plugin=await self._show(request.name, request.snapshot))

    async def ListPlugins(
        self, request: pb.ListPluginsRequest, context: Any
    ) -> pb.ListPluginsResponse:
        """Show a page of them."""
        found, tags = await self._database.read(
            page_with_tags, KIND, plugins.list_page, read_listing(request)
        )
        return pb.ListPluginsResponse(
            plugins=[write_plugin(one, tags) for one in found.rows],
            next_page_token=found.next_token,
        )

    async def GetPluginFile(
        self, request: pb.GetPluginFileRequest, context: Any
    ) -> pb.GetPluginFileResponse:
        """Send the content of one file."""
        found = await self._database.read(
            plugins.load_snapshot, request.name, request.snapshot, deleted=True
        )
        files = await asyncio.to_thread(self._load_files, found)
        if request.path not in files:
            raise plugin_files.missing_file(found, request.path)
        return pb.GetPluginFileResponse(content=files[request.path], snapshot=found.number)

    async def PutPluginFile(
        self, request: pb.PutPluginFileRequest, context: Any
    ) -> pb.PutPluginFileResponse:
        """Make a snapshot with one file more, or another one."""
        mode = read_mode(request.mode)
        change = FileChange(path=request.path, content=request.content, mode=mode)
        stored = await self._change_file(request.name, change)
        shown = await self._show(request.name, stored.number)
        return pb.PutPluginFileResponse(plugin=shown, changed=stored.changed)

    async def DeletePluginFile(
        self, request: pb.DeletePluginFileRequest, context: Any
    ) -> pb.DeletePluginFileResponse:
        """Make a snapshot with one file less."""
        change = FileChange(path=request.path, content=None)
        stored = await self._change_file(request.name, change)
        return pb.DeletePluginFileResponse(plugin=await self._show(request.name, stored.number))

    async def ListTasks(self, request: pb.ListTasksRequest, context: Any) -> pb.ListTasksResponse:
        """Show a page of the tasks of all plugins."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        found = await self._database.read(plugins.list_tasks, page, request.search, request.plugin)
        return pb.ListTasksResponse(
            tasks=map(write_task, found.rows), next_page_token=found.next_token
        )

    async def _show(self, name: str, number: int) -> plugin_pb2.Plugin:
        found, tags = await self._database.read(
            with_tags, KIND, plugins.load_snapshot, name, number, deleted=True
        )
        return write_plugin(found, tags)

    async def _change_file(self, name: str, change: FileChange) -> snapshots.Stored:
        for _ in range(_MAX_TRIES):
            present, types = await self._database.read(_load, name)
            files = await asyncio.to_thread(self._load_files, present)
            plugin = await asyncio.to_thread(
                plugin_files.change_file, present, files, change, types
            )
            bundle = await asyncio.to_thread(pack, plugin.files)
            await self._put_bundle(bundle)
            stored = await self._database.write(_store, present, plugin, bundle.digest)
            if stored is not None:
                await asyncio.to_thread(keep_stored, self._store, bundle)
                return stored
        raise ConflictError(f"plugin {name!r} is changed all the time; try again later")

    async def _put_bundle(self, bundle: Bundle) -> None:
        await asyncio.to_thread(self._store.put_blob, bundle_key(bundle.digest), bundle.content)

    def _load_files(self, snapshot: plugins.PluginSnapshot) -> Mapping[str, bytes]:
        return load_stored(self._store, snapshot.digest)


def _load(
    connection: sqlalchemy.Connection, name: str
) -> tuple[plugins.PluginSnapshot, frozenset[str]]:
    types = frozenset(one.name for one in parameter_types.load_all(connection))
    return plugins.load_snapshot(connection, name), types


def _store(
    connection: sqlalchemy.Connection,
    present: plugins.PluginSnapshot,
    plugin: ProjectPlugin,
    digest: str,
) -> snapshots.Stored | None:
    """Store a changed plugin; None when somebody has changed it since it was read."""
    if plugins.load_snapshot(connection, plugin.name).id != present.id:
        return None
    return plugins.put(connection, plugin, digest, mode=snapshots.Mode.UPDATE)


def _read(request: pb.PutPluginRequest, type_names: frozenset[str]) -> tuple[ProjectPlugin, Bundle]:
    files = read_bounded(request.archive)
    plugin, issues = read_plugin(
        request.name, files, description=request.description, type_names=type_names
    )
    if any(issue.severity == "error" for issue in issues):
        raise InvalidDescriptionError(f"plugin {request.name!r} has problems", issues)
    return plugin, pack(plugin.files)
