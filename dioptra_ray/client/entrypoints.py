"""Registered entrypoints and their drafts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from dioptra_ray.api.controller.v1 import entrypoint_service_pb2 as pb
from dioptra_ray.api.controller.v1.entrypoint_service_pb2_grpc import EntrypointServiceStub
from dioptra_ray.client.connection import Connection
from dioptra_ray.client.paging import read_pages
from dioptra_ray.client.requests import make
from dioptra_ray.client.resources import Mode, Versioned
from dioptra_ray.errors import NotFoundError
from dioptra_ray.wire.entrypoints import (
    Entrypoint,
    EntrypointDraft,
    read_draft,
    read_entrypoint,
)
from dioptra_ray.wire.resources import write_mode


class Entrypoints(Versioned):
    """`client.entrypoints`; `drafts` are those that are not valid yet.

    Attributes:
        drafts: What may become entrypoints.
    """

    kind = "entrypoint"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.drafts = EntrypointDrafts(connection)
        self._stub = EntrypointServiceStub(connection.channel)

    def put(  # noqa: PLR0913 - one argument a fact
        self,
        name: str,
        source: str | Path,
        *,
        plugins: Sequence[str] = (),
        description: str = "",
        source_file: str = "",
        mode: Mode = "upsert",
    ) -> Entrypoint:
        """Store an entrypoint; makes a snapshot only when its content is new.

        Args:
            name: The entrypoint's name.
            source: Its self-contained description, as text, or the file that holds it.
            plugins: Plugins to attach, in their newest snapshots.
            description: Free text.
            source_file: Name of the text's file, for messages.
            mode: "create" refuses a name that is taken, "update" one that is free.

        Raises:
            InvalidDescriptionError: The description is wrong; `issues` has all of it.
            NotFoundError: No such plugin or file.
        """
        source, source_file = read_source(source, source_file)
        request = make(
            pb.PutEntrypointRequest,
            name=name,
            description=description,
            source=source,
            source_file=source_file,
            plugins=plugins,
            mode=write_mode(mode),
        )
        response = self._connection.call(self._stub.PutEntrypoint, request)
        return read_entrypoint(response.entrypoint)

    def create(
        self,
        name: str,
        source: str | Path,
        *,
        plugins: Sequence[str] = (),
        description: str = "",
        source_file: str = "",
    ) -> Entrypoint:
        """Store an entrypoint whose name must be new; see `put`."""
        return self.put(
            name,
            source,
            plugins=plugins,
            description=description,
            source_file=source_file,
            mode="create",
        )

    def sync(self, name: str, *, plugins: Sequence[str] = ()) -> Entrypoint:
        """Put an entrypoint together again over the newest snapshots of its plugins.

        Args:
            name: The entrypoint's name.
            plugins: Only these; all that it has when empty.

        Raises:
            NotFoundError: There is no such entrypoint.
            InvalidDescriptionError: It does not fit them any more; `issues` has all of it.
        """
        request = make(pb.SyncEntrypointRequest, name=name, plugins=plugins)
        response = self._connection.call(self._stub.SyncEntrypoint, request)
        return read_entrypoint(response.entrypoint)

    def get(self, name: str, *, snapshot: int = 0) -> Entrypoint:
        """Read an entrypoint, its newest snapshot or the given one.

        Raises:
            NotFoundError: There is no such entrypoint or snapshot.
        """
        request = make(pb.GetEntrypointRequest, name=name, snapshot=snapshot)
        response = self._connection.call(self._stub.GetEntrypoint, request)
        return read_entrypoint(response.entrypoint)

    def list(
        self,
        *,
        search: str = "",
        order_by: str = "",
        tag: str = "",
        deleted: bool = False,
        limit: int | None = None,
    ) -> tuple[Entrypoint, ...]:
        """List entrypoints.

        Args:
            search: Only names or descriptions that contain this text.
            order_by: "name" (the default) or "create_time", either with " desc" behind it.
            tag: Only those with this tag.
            deleted: Those that were deleted, instead of those that exist.
            limit: At most this many.
        """

        def fetch(size: int, token: str) -> tuple[Iterator[Entrypoint], str]:
            request = make(
                pb.ListEntrypointsRequest,
                page_size=size,
                page_token=token,
                search=search,
                order_by=order_by,
                tag=tag,
                deleted=deleted,
            )
            page = self._connection.call(self._stub.ListEntrypoints, request)
            return map(read_entrypoint, page.entrypoints), page.next_page_token

        return read_pages(fetch, limit=limit)


class EntrypointDrafts:
    """`client.entrypoints.drafts`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = EntrypointServiceStub(connection.channel)

    def put(
        self,
        name: str,
        source: str | Path,
        *,
        plugins: Sequence[str] = (),
        description: str = "",
        source_file: str = "",
    ) -> EntrypointDraft:
        """Keep a text, whatever is wrong with it, instead of the name's present draft.

        Raises:
            NotFoundError: There is no such file.
        """
        source, source_file = read_source(source, source_file)
        request = make(
            pb.PutEntrypointDraftRequest,
            name=name,
            description=description,
            source=source,
            source_file=source_file,
            plugins=plugins,
        )
        return read_draft(self._connection.call(self._stub.PutEntrypointDraft, request).draft)

    def get(self, name: str) -> EntrypointDraft:
        """Read a draft and its issues.

        Raises:
            NotFoundError: There is no such draft.
        """
        request = make(pb.GetEntrypointDraftRequest, name=name)
        return read_draft(self._connection.call(self._stub.GetEntrypointDraft, request).draft)

    def list(self, *, search: str = "", limit: int | None = None) -> tuple[EntrypointDraft, ...]:
        """List drafts, sorted by name, without their sources."""

        def fetch(size: int, token: str) -> tuple[Iterator[EntrypointDraft], str]:
            request = make(
                pb.ListEntrypointDraftsRequest, page_size=size, page_token=token, search=search
            )
            page = self._connection.call(self._stub.ListEntrypointDrafts, request)
            return map(read_draft, page.drafts), page.next_page_token

        return read_pages(fetch, limit=limit)

    def delete(self, name: str) -> None:
        """Throw a draft away.

        Raises:
            NotFoundError: There is no such draft.
        """
        request = make(pb.DeleteEntrypointDraftRequest, name=name)
        self._connection.call(self._stub.DeleteEntrypointDraft, request)

    def publish(self, name: str) -> Entrypoint:
        """Make an entrypoint of a draft, which is gone then.

        Raises:
            NotFoundError: There is no such draft, or no such plugin.
            InvalidDescriptionError: It is not valid; `issues` has all of it.
        """
        request = make(pb.PublishEntrypointDraftRequest, name=name)
        response = self._connection.call(self._stub.PublishEntrypointDraft, request)
        return read_entrypoint(response.entrypoint)


def read_source(source: str | Path, source_file: str) -> tuple[str, str]:
    """The text and its file's name.

    Raises:
        NotFoundError: There is no such file.
    """
    if not isinstance(source, Path):
        return source, source_file
    if not source.is_file():
        raise NotFoundError(f"there is no file {source}")
    return source.read_text(encoding="utf-8"), source_file or source.name
