"""ResourceService."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import sqlalchemy

from dioptra_controller.artifacts import deletion
from dioptra_controller.database.engine import Database
from dioptra_controller.paging import PageRequest
from dioptra_controller.registry import (
    differences,
    entrypoints,
    parameter_types,
    plugins,
    queues,
    resources,
    snapshots,
    tags,
)
from dioptra_controller.registry.differences import Change, Difference
from dioptra_controller.rpc.archives import load_stored
from dioptra_controller.rpc.encode import find_timestamp
from dioptra_ray.api.controller.v1 import resource_pb2
from dioptra_ray.api.controller.v1 import resource_service_pb2 as pb
from dioptra_ray.api.controller.v1 import resource_service_pb2_grpc as pb_grpc
from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.store import ArtifactStore
from dioptra_ray.wire.issues import clean

_KINDS: Final[Mapping[int, str]] = {
    number: name.removeprefix("RESOURCE_KIND_").lower()
    for name, number in resource_pb2.ResourceKind.items()
    if number != resource_pb2.RESOURCE_KIND_UNSPECIFIED
}
_NUMBERS: Final = {
    name.removeprefix("RESOURCE_KIND_").lower(): resource_pb2.ResourceKind.Value(name)
    for name in resource_pb2.ResourceKind.keys()  # noqa: SIM118 - an enum wrapper, no dict
}
_CHANGES: Final = {
    Change.ADDED: resource_pb2.CHANGE_ADDED,
    Change.REMOVED: resource_pb2.CHANGE_REMOVED,
    Change.CHANGED: resource_pb2.CHANGE_CHANGED,
}


class ResourceServicer(pb_grpc.ResourceServiceServicer):
    """Answers for what all registered things have in common."""

    def __init__(self, database: Database, store: ArtifactStore) -> None:
        self._database = database
        self._store = store

    async def UpdateResource(
        self, request: pb.UpdateResourceRequest, context: Any
    ) -> pb.UpdateResourceResponse:
        """Change a description."""
        kind, name = _read(request.resource)
        number, changed = await self._database.write(
            resources.describe, kind, name, request.description
        )
        return pb.UpdateResourceResponse(snapshot=number, changed=changed)

    async def DeleteResource(
        self, request: pb.DeleteResourceRequest, context: Any
    ) -> pb.DeleteResourceResponse:
        """Delete something; the bytes of an artifact once nobody can see it any more."""
        kind, name = _read(request.resource)
        users = await self._database.write(resources.delete, kind, name)
        if kind == resources.ARTIFACT:
            await self._purge(resources.read_id(kind, name))
        return pb.DeleteResourceResponse(still_used_by=users)

    async def ListSnapshots(
        self, request: pb.ListSnapshotsRequest, context: Any
    ) -> pb.ListSnapshotsResponse:
        """Show a page of a history."""
        kind, name = _read(request.resource)
        page = PageRequest(size=request.page_size, token=request.page_token)
        found = await self._database.read(resources.list_history, kind, name, page)
        return pb.ListSnapshotsResponse(
            snapshots=map(_write_summary, found.rows), next_page_token=found.next_token
        )

    async def DiffSnapshots(
        self, request: pb.DiffSnapshotsRequest, context: Any
    ) -> pb.DiffSnapshotsResponse:
        """Show what differs between two snapshots."""
        kind, name = _read(request.resource)
        old, new, load = await self._database.read(
            _load_pair, kind, name, request.old_snapshot, request.new_snapshot
        )
        found = await asyncio.to_thread(load, self._load_files)
        return pb.DiffSnapshotsResponse(
            old_snapshot=old, new_snapshot=new, differences=map(_write_difference, found)
        )

    async def UpdateTags(
        self, request: pb.UpdateTagsRequest, context: Any
    ) -> pb.UpdateTagsResponse:
        """Add and remove tags."""
        kind, name = _read(request.resource)
        found = await self._database.write(
            _update_tags, kind, name, list(request.add), list(request.remove)
        )
        return pb.UpdateTagsResponse(tags=found)

    async def ListTags(self, request: pb.ListTagsRequest, context: Any) -> pb.ListTagsResponse:
        """Show a page of the tags in use."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        found = await self._database.read(tags.list_page, page, request.search)
        return pb.ListTagsResponse(
            tags=[pb.Tag(name=tag.name, resources=tag.resources) for tag in found.rows],
            next_page_token=found.next_token,
        )

    async def ListTaggedResources(
        self, request: pb.ListTaggedResourcesRequest, context: Any
    ) -> pb.ListTaggedResourcesResponse:
        """Show a page of what has a tag."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        found = await self._database.read(resources.list_tagged, page, request.tag)
        return pb.ListTaggedResourcesResponse(
            resources=[
                resource_pb2.Resource(kind=_NUMBERS[kind], name=name) for kind, name in found.rows
            ],
            next_page_token=found.next_token,
        )

    async def _purge(self, artifact_id: int) -> None:
        key = await self._database.read(deletion.find_unpurged, artifact_id)
        if key is not None:
            await asyncio.to_thread(self._store.delete_artifact, key)
            await self._database.write(deletion.mark_purged, artifact_id)

    def _load_files(self, digest: str) -> Mapping[str, bytes]:
        return load_stored(self._store, digest)


_Fetch = Callable[[str], Mapping[str, bytes]]
_Compare = Callable[[_Fetch], list[Difference]]


def _load_pair(
    connection: sqlalchemy.Connection, kind: str, name: str, old: int, new: int
) -> tuple[int, int, _Compare]:
    """Both numbers, and what compares the snapshots outside of the transaction."""
    old, new = resources.pick_pair(connection, kind, name, old, new)
    pair = (old, new)
    if kind == plugins.SERIES.code:
        one, two = (plugins.load_snapshot(connection, name, n, deleted=True) for n in pair)
        return (
            old,
            new,
            lambda fetch: differences.diff_plugins(one, two, fetch(one.digest), fetch(two.digest)),
        )
    if kind == entrypoints.SERIES.code:
        a, b = (entrypoints.load_snapshot(connection, name, n, deleted=True) for n in pair)
        return old, new, lambda _: differences.diff_entrypoints(a, b)
    if kind == parameter_types.SERIES.code:
        t, u = (parameter_types.load_snapshot(connection, name, n, deleted=True) for n in pair)
        return old, new, lambda _: differences.diff_types(t, u)
    if kind == queues.SERIES.code:
        q, r = (queues.load_snapshot(connection, name, n, deleted=True) for n in pair)
        return old, new, lambda _: differences.diff_queues(q.settings, r.settings)
    series = resources.SERIES[kind]
    texts = [
        snapshots.get_row(connection, series, name, n, deleted=True)["description"] for n in pair
    ]
    return old, new, lambda _: differences.diff_descriptions(texts[0], texts[1])


def _update_tags(
    connection: sqlalchemy.Connection, kind: str, name: str, add: list[str], remove: list[str]
) -> tuple[str, ...]:
    resource_id = resources.find_id(connection, kind, name)
    return tags.update(connection, kind, resource_id, add=add, remove=remove)


def _read(resource: resource_pb2.Resource) -> tuple[str, str]:
    if resource.kind not in _KINDS:
        raise InvalidRequestError(f"there is no kind of resource {resource.kind}")
    return _KINDS[resource.kind], resource.name


def _write_summary(one: resources.Summary) -> resource_pb2.SnapshotSummary:
    return resource_pb2.SnapshotSummary(
        number=one.number,
        description=one.description,
        digest=one.digest,
        create_time=find_timestamp(one.create_time),
        delete_time=find_timestamp(one.delete_time),
    )


def _write_difference(one: Difference) -> resource_pb2.Difference:
    return resource_pb2.Difference(
        part=one.part,
        name=clean(one.name),
        change=_CHANGES[one.change],
        before=clean(one.before),
        after=clean(one.after),
        unified=clean(one.unified),
    )
