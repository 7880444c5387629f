"""EntrypointService."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy

from dioptra_controller.database.engine import Database
from dioptra_controller.paging import PageRequest
from dioptra_controller.registry import (
    drafts,
    entrypoints,
    parameter_types,
    plugins,
    snapshots,
    syncing,
)
from dioptra_controller.registry.composition import Composed, compose, compose_one
from dioptra_controller.registry.names import check_name
from dioptra_controller.rpc.encode import write_draft, write_entrypoint
from dioptra_controller.rpc.listings import page_with_tags, read_listing, read_mode, with_tags
from dioptra_ray.api.controller.v1 import entrypoint_pb2
from dioptra_ray.api.controller.v1 import entrypoint_service_pb2 as pb
from dioptra_ray.api.controller.v1 import entrypoint_service_pb2_grpc as pb_grpc
from dioptra_ray.language.issues import Issue
from dioptra_ray.project.model import ProjectEntrypoint, ProjectType
from dioptra_ray.wire.issues import write_issue

KIND = "entrypoint"

Attached = Sequence[plugins.PluginSnapshot]


class EntrypointServicer(pb_grpc.EntrypointServiceServicer):
    """Answers for entrypoints."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def PutEntrypoint(
        self, request: pb.PutEntrypointRequest, context: Any
    ) -> pb.PutEntrypointResponse:
        """Store one, given as a self-contained description."""
        mode = read_mode(request.mode)
        stored = await self._compose(_declare(request))
        number, changed = await self._store(stored, mode, request.group)
        shown = await self._show(request.name, number)
        return pb.PutEntrypointResponse(
            entrypoint=shown,
            changed=changed,
            warnings=map(write_issue, stored.composed.warnings),
        )

    async def GetEntrypoint(
        self, request: pb.GetEntrypointRequest, context: Any
    ) -> pb.GetEntrypointResponse:
        """Show one."""
        shown = await self._show(request.name, request.snapshot)
        return pb.GetEntrypointResponse(entrypoint=shown)

    async def ListEntrypoints(
        self, request: pb.ListEntrypointsRequest, context: Any
    ) -> pb.ListEntrypointsResponse:
        """Show a page of them."""
        found, tags = await self._database.read(
            page_with_tags, KIND, entrypoints.list_page, read_listing(request)
        )
        return pb.ListEntrypointsResponse(
            entrypoints=[write_entrypoint(one, tags) for one in found.rows],
            next_page_token=found.next_token,
        )

    async def SyncEntrypoint(
        self, request: pb.SyncEntrypointRequest, context: Any
    ) -> pb.SyncEntrypointResponse:
        """Put one together again over newer plugins."""
        sync = await self._database.read(syncing.load, request.name, list(request.plugins))
        composed = await asyncio.to_thread(syncing.compose, sync)
        stored = await self._database.write(syncing.store, sync, composed)
        return pb.SyncEntrypointResponse(
            entrypoint=await self._show(request.name, stored.number),
            changed=stored.changed,
            warnings=map(write_issue, composed.warnings),
        )

    async def PutEntrypointDraft(
        self, request: pb.PutEntrypointDraftRequest, context: Any
    ) -> pb.PutEntrypointDraftResponse:
        """Keep a text, whatever is wrong with it."""
        check_name(KIND, request.name)
        declared = _declare(request)
        attached, types, missing = await self._database.read(_load_existing, declared.plugins)
        by_name = {one.name: syncing.as_project(one) for one in attached}
        composed = await asyncio.to_thread(compose_one, declared, plugins=by_name, types=types)
        draft = drafts.Draft(
            name=declared.name,
            description=declared.description,
            source=declared.source,
            source_file=declared.source_file,
            plugins=declared.plugins,
            issues=(*missing, *composed.issues),
            group=request.group,
        )
        stored = await self._database.write(drafts.put, draft)
        return pb.PutEntrypointDraftResponse(draft=write_draft(stored))

    async def GetEntrypointDraft(
        self, request: pb.GetEntrypointDraftRequest, context: Any
    ) -> pb.GetEntrypointDraftResponse:
        """Show a draft."""
        found = await self._database.read(drafts.get, request.name)
        return pb.GetEntrypointDraftResponse(draft=write_draft(found))

    async def ListEntrypointDrafts(
        self, request: pb.ListEntrypointDraftsRequest, context: Any
    ) -> pb.ListEntrypointDraftsResponse:
        """Show a page of drafts."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        found = await self._database.read(drafts.list_page, page, request.search)
        return pb.ListEntrypointDraftsResponse(
            drafts=[write_draft(one, with_source=False) for one in found.rows],
            next_page_token=found.next_token,
        )

    async def DeleteEntrypointDraft(
        self, request: pb.DeleteEntrypointDraftRequest, context: Any
    ) -> pb.DeleteEntrypointDraftResponse:
        """Throw a draft away."""
        await self._database.write(drafts.delete, request.name)
        return pb.DeleteEntrypointDraftResponse()

    async def PublishEntrypointDraft(
        self, request: pb.PublishEntrypointDraftRequest, context: Any
    ) -> pb.PublishEntrypointDraftResponse:
        """Make an entrypoint of a draft."""
        draft = await self._database.read(drafts.get, request.name)
        declared = ProjectEntrypoint(
            name=draft.name,
            description=draft.description,
            plugins=draft.plugins,
            source=draft.source,
            source_file=draft.source_file,
        )
        stored = await self._compose(declared)
        number, changed = await self._store(stored, snapshots.Mode.UPSERT, draft.group, draft=draft)
        return pb.PublishEntrypointDraftResponse(
            entrypoint=await self._show(request.name, number),
            changed=changed,
            warnings=map(write_issue, stored.composed.warnings),
        )

    async def _compose(self, declared: ProjectEntrypoint) -> "_Ready":
        attached, types = await self._database.read(_load_plugins, declared.plugins)
        by_name = {one.name: syncing.as_project(one) for one in attached}
        (composed,) = await asyncio.to_thread(compose, [declared], plugins=by_name, types=types)
        return _Ready(composed, attached)

    async def _store(
        self,
        ready: "_Ready",
        mode: snapshots.Mode,
        group: str,
        *,
        draft: drafts.Draft | None = None,
    ) -> tuple[int, bool]:
        stored = await self._database.write(_store, ready, mode, group, draft)
        return stored.number, stored.changed

    async def _show(self, name: str, number: int) -> entrypoint_pb2.Entrypoint:
        found, tags = await self._database.read(
            with_tags, KIND, entrypoints.load_snapshot, name, number, deleted=True
        )
        return write_entrypoint(found, tags)


class _Ready(NamedTuple):
    """An entrypoint that can be stored, and what it pins."""

    composed: Composed
    attached: Attached


def _declare(
    request: pb.PutEntrypointRequest | pb.PutEntrypointDraftRequest,
) -> ProjectEntrypoint:
    return ProjectEntrypoint(
        name=request.name,
        description=request.description,
        plugins=tuple(dict.fromkeys(request.plugins)),
        source=request.source,
        source_file=request.source_file or f"{request.name}.yaml",
    )


def _store(
    connection: sqlalchemy.Connection,
    ready: _Ready,
    mode: snapshots.Mode,
    group: str,
    draft: drafts.Draft | None,
) -> snapshots.Stored:
    pins = [syncing.pin_of(one) for one in ready.attached]
    stored = entrypoints.put(connection, ready.composed.content, pins, mode=mode, group=group)
    # A draft that was saved again meanwhile is another one, and stays.
    if draft is not None and drafts.get(connection, draft.name) == draft:
        drafts.delete(connection, draft.name)
    return stored


def _load_plugins(
    connection: sqlalchemy.Connection, wanted: Sequence[str]
) -> tuple[Attached, Sequence[ProjectType]]:
    attached = [plugins.load_snapshot(connection, name) for name in wanted]
    return attached, parameter_types.load_all(connection)


def _load_existing(
    connection: sqlalchemy.Connection, wanted: Sequence[str]
) -> tuple[Attached, Sequence[ProjectType], list[Issue]]:
    attached = plugins.load_newest(connection, wanted)
    missing = [
        Issue(
            severity="error",
            code="registration.unknown_plugin",
            message=f"There is no plugin {name!r}.",
        )
        for name in wanted
        if name not in {one.name for one in attached}
    ]
    return attached, parameter_types.load_all(connection), missing
