"""EntrypointService."""

import asyncio
from collections.abc import Sequence
from typing import Any

from dioptra_controller.database.engine import Database
from dioptra_controller.paging import PageRequest
from dioptra_controller.registry import entrypoints, plugins
from dioptra_controller.registry.composition import compose
from dioptra_controller.registry.snapshots import Outcome
from dioptra_controller.rpc.encode import write_entrypoint
from dioptra_ray.api.controller.v1 import entrypoint_service_pb2 as pb
from dioptra_ray.api.controller.v1 import entrypoint_service_pb2_grpc as pb_grpc
from dioptra_ray.project.model import ProjectEntrypoint, ProjectPlugin


class EntrypointServicer(pb_grpc.EntrypointServiceServicer):
    """Answers for entrypoints."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def PutEntrypoint(
        self, request: pb.PutEntrypointRequest, context: Any
    ) -> pb.PutEntrypointResponse:
        """Store one, given as a self-contained description."""
        wanted = tuple(dict.fromkeys(request.plugins))
        attached = await self._database.read(_load_plugins, wanted)
        declared = ProjectEntrypoint(
            name=request.name,
            description=request.description,
            plugins=wanted,
            source=request.source,
            source_file=request.source_file or f"{request.name}.yaml",
        )
        (content,) = await asyncio.to_thread(
            compose, [declared], plugins={one.name: _as_project(one) for one in attached}, types=[]
        )
        pins = [
            entrypoints.PluginPin(
                snapshot_id=one.id, name=one.name, number=one.number, digest=one.digest
            )
            for one in attached
        ]
        stored = await self._database.write(entrypoints.put, content, pins)
        found = await self._database.read(entrypoints.load_snapshot, request.name, stored.number)
        changed = stored.outcome is not Outcome.UNCHANGED
        return pb.PutEntrypointResponse(entrypoint=write_entrypoint(found), changed=changed)

    async def GetEntrypoint(
        self, request: pb.GetEntrypointRequest, context: Any
    ) -> pb.GetEntrypointResponse:
        """Show one."""
        found = await self._database.read(entrypoints.load_snapshot, request.name, request.snapshot)
        return pb.GetEntrypointResponse(entrypoint=write_entrypoint(found))

    async def ListEntrypoints(
        self, request: pb.ListEntrypointsRequest, context: Any
    ) -> pb.ListEntrypointsResponse:
        """Show a page of them."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        found = await self._database.read(entrypoints.list_page, page, request.search)
        return pb.ListEntrypointsResponse(
            entrypoints=map(write_entrypoint, found.rows), next_page_token=found.next_token
        )


def _load_plugins(connection: Any, wanted: Sequence[str]) -> list[plugins.PluginSnapshot]:
    return [plugins.load_snapshot(connection, name) for name in wanted]


def _as_project(snapshot: plugins.PluginSnapshot) -> ProjectPlugin:
    return ProjectPlugin(
        name=snapshot.name,
        description=snapshot.description,
        function_tasks=snapshot.function_tasks,
        artifact_tasks=snapshot.artifact_tasks,
    )
