"""What the client can do with every registered thing alike; and tags."""

from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

from dioptra_ray.api.controller.v1 import resource_service_pb2 as pb
from dioptra_ray.api.controller.v1.resource_service_pb2_grpc import ResourceServiceStub
from dioptra_ray.client.connection import Connection
from dioptra_ray.client.paging import read_pages
from dioptra_ray.client.requests import make
from dioptra_ray.wire.resources import (
    Diff,
    Resource,
    Snapshot,
    Tag,
    read_diff,
    read_resource,
    read_snapshot,
    read_tag,
    write_resource,
)

Mode = Literal["create", "update", "upsert"]


class Described:
    """Things with a description and tags, that can be deleted."""

    kind: ClassVar[str]

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._resources = ResourceServiceStub(connection.channel)

    def describe(self, name: str | int, description: str) -> bool:
        """Change the description; returns whether it was another one.

        Raises:
            NotFoundError: There is no such thing.
        """
        request = make(
            pb.UpdateResourceRequest,
            resource=write_resource(self.kind, name),
            description=description,
        )
        return self._connection.call(self._resources.UpdateResource, request).changed

    def delete(self, name: str | int) -> tuple[str, ...]:
        """Delete it: nothing new can use it, but its history stays.

        Returns:
            What goes on using its snapshots, for people.

        Raises:
            NotFoundError: There is no such thing.
            PreconditionError: Something still needs it, or it always exists.
        """
        request = make(pb.DeleteResourceRequest, resource=write_resource(self.kind, name))
        response = self._connection.call(self._resources.DeleteResource, request)
        return tuple(response.still_used_by)

    def tag(
        self, name: str | int, add: Iterable[str] = (), *, remove: Iterable[str] = ()
    ) -> tuple[str, ...]:
        """Add and remove tags, and return those that it has then.

        Raises:
            NotFoundError: There is no such thing.
        """
        return _update_tags(self._connection, self._resources, self.kind, name, add, remove)


class Versioned(Described):
    """Things that have snapshots."""

    def history(self, name: str, *, limit: int | None = None) -> tuple[Snapshot, ...]:
        """All snapshots that the name ever had, newest first.

        Raises:
            NotFoundError: The name was never used.
        """

        def fetch(size: int, token: str) -> tuple[Iterator[Snapshot], str]:
            request = make(
                pb.ListSnapshotsRequest,
                resource=write_resource(self.kind, name),
                page_size=size,
                page_token=token,
            )
            page = self._connection.call(self._resources.ListSnapshots, request)
            return map(read_snapshot, page.snapshots), page.next_page_token

        return read_pages(fetch, limit=limit)

    def diff(self, name: str, old: int = 0, new: int = 0) -> Diff:
        """Compare two snapshots: by default the newest with the one before it.

        Raises:
            NotFoundError: There are no such snapshots.
        """
        request = make(
            pb.DiffSnapshotsRequest,
            resource=write_resource(self.kind, name),
            old_snapshot=old,
            new_snapshot=new,
        )
        return read_diff(self._connection.call(self._resources.DiffSnapshots, request))


class Tags:
    """`client.tags`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = ResourceServiceStub(connection.channel)

    def list(self, *, search: str = "", limit: int | None = None) -> tuple[Tag, ...]:
        """List the tags in use, sorted."""

        def fetch(size: int, token: str) -> tuple[Iterator[Tag], str]:
            request = make(pb.ListTagsRequest, page_size=size, page_token=token, search=search)
            page = self._connection.call(self._stub.ListTags, request)
            return map(read_tag, page.tags), page.next_page_token

        return read_pages(fetch, limit=limit)

    def find(self, tag: str, *, limit: int | None = None) -> tuple[Resource, ...]:
        """Find what has a tag, sorted by kind."""

        def fetch(size: int, token: str) -> tuple[Iterator[Resource], str]:
            request = make(pb.ListTaggedResourcesRequest, tag=tag, page_size=size, page_token=token)
            page = self._connection.call(self._stub.ListTaggedResources, request)
            return map(read_resource, page.resources), page.next_page_token

        return read_pages(fetch, limit=limit)

    def update(
        self, kind: str, name: str | int, add: Iterable[str] = (), *, remove: Iterable[str] = ()
    ) -> tuple[str, ...]:
        """Change the tags of a thing of any kind; "job" is one, too.

        Raises:
            NotFoundError: There is no such thing.
        """
        return _update_tags(self._connection, self._stub, kind, name, add, remove)


def _update_tags(  # noqa: PLR0913, PLR0917 - one argument a fact
    connection: Connection,
    stub: ResourceServiceStub,
    kind: str,
    name: str | int,
    add: Iterable[str],
    remove: Iterable[str],
) -> tuple[str, ...]:
    request = make(
        pb.UpdateTagsRequest,
        resource=write_resource(kind, name),
        add=list(add),
        remove=list(remove),
    )
    return tuple(connection.call(stub.UpdateTags, request).tags)
