"""PluginService."""

import asyncio
from typing import Any

from dioptra_controller.database.engine import Database
from dioptra_controller.paging import PageRequest
from dioptra_controller.registry import parameter_types, plugins
from dioptra_controller.registry.names import check_plugin_name
from dioptra_controller.registry.snapshots import Outcome
from dioptra_controller.rpc.archives import read_bounded
from dioptra_controller.rpc.encode import write_plugin
from dioptra_ray.api.controller.v1 import plugin_service_pb2 as pb
from dioptra_ray.api.controller.v1 import plugin_service_pb2_grpc as pb_grpc
from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.plugins.bundle import Bundle, pack
from dioptra_ray.project.model import ProjectPlugin
from dioptra_ray.project.reader import read_plugin
from dioptra_ray.store import ArtifactStore, bundle_key


class PluginServicer(pb_grpc.PluginServiceServicer):
    """Answers for plugins."""

    def __init__(self, database: Database, store: ArtifactStore) -> None:
        self._database = database
        self._store = store

    async def PutPlugin(self, request: pb.PutPluginRequest, context: Any) -> pb.PutPluginResponse:
        """Store one; its tasks are what its source says."""
        check_plugin_name(request.name)
        types = await self._database.read(parameter_types.load_all)
        type_names = frozenset(one.name for one in types)
        plugin, bundle = await asyncio.to_thread(_read, request, type_names)
        await asyncio.to_thread(self._store.put_blob, bundle_key(bundle.digest), bundle.content)
        stored = await self._database.write(plugins.put, plugin, bundle.digest)
        found = await self._database.read(plugins.load_snapshot, request.name, stored.number)
        changed = stored.outcome is not Outcome.UNCHANGED
        return pb.PutPluginResponse(plugin=write_plugin(found), changed=changed)

    async def GetPlugin(self, request: pb.GetPluginRequest, context: Any) -> pb.GetPluginResponse:
        """Show one."""
        found = await self._database.read(plugins.load_snapshot, request.name, request.snapshot)
        return pb.GetPluginResponse(plugin=write_plugin(found))

    async def ListPlugins(
        self, request: pb.ListPluginsRequest, context: Any
    ) -> pb.ListPluginsResponse:
        """Show a page of them."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        found = await self._database.read(plugins.list_page, page, request.search)
        return pb.ListPluginsResponse(
            plugins=map(write_plugin, found.rows), next_page_token=found.next_token
        )


def _read(request: pb.PutPluginRequest, type_names: frozenset[str]) -> tuple[ProjectPlugin, Bundle]:
    files = read_bounded(request.archive)
    plugin, issues = read_plugin(
        request.name, files, description=request.description, type_names=type_names
    )
    if any(issue.severity == "error" for issue in issues):
        raise InvalidDescriptionError(f"plugin {request.name!r} has problems", issues)
    return plugin, pack(plugin.files)
