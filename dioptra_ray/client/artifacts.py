"""Listing, fetching and storing artifacts."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

from dioptra_ray.api.controller.v1 import artifact_service_pb2 as pb
from dioptra_ray.api.controller.v1.artifact_service_pb2_grpc import ArtifactServiceStub
from dioptra_ray.client.connection import Connection
from dioptra_ray.client.direct import DirectLinks
from dioptra_ray.client.paging import read_pages
from dioptra_ray.client.requests import make
from dioptra_ray.client.resources import Described
from dioptra_ray.client.transfer import Source, check_upload, pick_file, receive, upload_parts
from dioptra_ray.wire.artifacts import Artifact, GarbageCollection, read_artifact, read_garbage
from dioptra_ray.wire.lineage import Lineage, read_lineage

COLLECT_SECONDS: Final = 3600.0


class Artifacts(Described):
    """`client.artifacts`."""

    kind = "artifact"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._stub = ArtifactServiceStub(connection.channel)

    def get(self, artifact: int) -> Artifact:
        """Read what is known of an artifact, its files included.

        Raises:
            NotFoundError: There is no such artifact.
        """
        request = make(pb.GetArtifactRequest, id=artifact)
        return read_artifact(self._connection.call(self._stub.GetArtifact, request).artifact)

    def lineage(self, artifact: int, *, depth: int = 0) -> Lineage:
        """Read what an artifact was made from, and what was made with it.

        Args:
            artifact: Its id.
            depth: How many jobs to follow in each direction; 0 means 20.

        Raises:
            NotFoundError: There is no such artifact.
        """
        request = make(pb.GetArtifactLineageRequest, id=artifact, depth=depth)
        return read_lineage(self._connection.call(self._stub.GetArtifactLineage, request))

    def list(  # noqa: PLR0913 - one argument a filter
        self,
        *,
        job: int = 0,
        name: str = "",
        entrypoint: str = "",
        search: str = "",
        tag: str = "",
        deleted: bool = False,
        limit: int | None = None,
    ) -> tuple[Artifact, ...]:
        """List artifacts, newest first, without their files.

        Args:
            job: Only artifacts of this job.
            name: Only artifacts with exactly this name.
            entrypoint: Only artifacts of jobs of this entrypoint.
            search: Only names or descriptions that contain this text.
            tag: Only those with this tag.
            deleted: Those that were deleted, instead of those that exist.
            limit: At most this many.
        """

        def fetch(size: int, token: str) -> tuple[Iterator[Artifact], str]:
            request = make(
                pb.ListArtifactsRequest,
                page_size=size,
                page_token=token,
                job_id=job,
                name=name,
                entrypoint=entrypoint,
                search=search,
                tag=tag,
                deleted=deleted,
            )
            page = self._connection.call(self._stub.ListArtifacts, request)
            return map(read_artifact, page.artifacts), page.next_page_token

        return read_pages(fetch, limit=limit)

    def download(
        self, artifact: int | Artifact, destination: str | Path = ".", *, overwrite: bool = False
    ) -> Path:
        """Fetch an artifact into a folder, every checksum verified; nothing half is left.

        Args:
            artifact: The artifact, or its id.
            destination: The folder; it is made when it does not exist.
            overwrite: Whether what has the artifact's name there may be replaced.

        Returns:
            The path of the file or directory, `destination` / the artifact's basename.

        Raises:
            AlreadyExistsError: Something has that name there.
            DataLossError: The bytes do not match their checksums.
        """
        found = self.get(_id(artifact))
        return receive(found, Path(destination), self._source(found), overwrite=overwrite)

    def download_file(
        self,
        artifact: int | Artifact,
        path: str,
        destination: str | Path = ".",
        *,
        overwrite: bool = False,
    ) -> Path:
        """Fetch one file of an artifact into a folder, its checksum verified.

        Args:
            artifact: The artifact, or its id.
            path: The file's path in the artifact.
            destination: The folder; it is made when it does not exist.
            overwrite: Whether what has the file's name there may be replaced.

        Returns:
            The path of the file, `destination` / its name.

        Raises:
            NotFoundError: The artifact has no such file.
            AlreadyExistsError: Something has that name there.
            DataLossError: The bytes do not match their checksum.
        """
        found = self.get(_id(artifact))
        only = pick_file(found, path)
        return receive(only, Path(destination), self._source(found), overwrite=overwrite)

    def open(
        self, artifact: int | Artifact, path: str = "", *, offset: int = 0, length: int = 0
    ) -> Iterator[bytes]:
        """Read one file of an artifact, or a range of it, in chunks.

        Args:
            artifact: The artifact, or its id.
            path: The file's path in the artifact; may be empty for a single file.
            offset: The first byte.
            length: At most so many bytes; 0 means up to the end.

        Raises:
            NotFoundError: The artifact has no such file.
            OutOfRangeError: The file ends before the range.
            DataLossError: The bytes do not match their checksum; a range is not compared.
        """
        request = make(
            pb.DownloadArtifactRequest,
            id=_id(artifact),
            path=path,
            offset=offset,
            length=length,
        )
        for chunk in self._connection.stream(self._stub.DownloadArtifact, request):
            yield chunk.content

    def collect_garbage(
        self, *, dry_run: bool = False, grace: timedelta | None = None
    ) -> GarbageCollection:
        """Delete from the store what nothing refers to.

        Args:
            dry_run: Whether only to say what would be deleted.
            grace: What is younger is left alone; the controller's setting when not given.

        Raises:
            PreconditionError: The store belongs to the database of another controller.
        """
        request = make(pb.CollectGarbageRequest, dry_run=dry_run)
        if grace is not None:
            request.grace.FromTimedelta(grace)
        response = self._connection.call(
            self._stub.CollectGarbage, request, timeout=COLLECT_SECONDS
        )
        return read_garbage(response)

    def _source(self, found: Artifact) -> Source:
        return Source(
            open_file=lambda path: self.open(found.id, path),
            links=DirectLinks(
                [file.path for file in found.files],
                lambda paths: self._ask_links(found.id, paths),
            ),
            backoff=self._connection.backoff,
        )

    def _ask_links(self, artifact: int, paths: Sequence[str]) -> pb.CreateArtifactLinksResponse:
        request = make(pb.CreateArtifactLinksRequest, id=artifact, paths=paths)
        return self._connection.call(self._stub.CreateArtifactLinks, request)

    def upload(
        self,
        path: str | Path,
        *,
        name: str = "",
        task: str = "",
        description: str = "",
        request_id: str = "",
    ) -> Artifact:
        """Store a file or a directory as an artifact.

        Args:
            path: The file or directory.
            name: The artifact's name; the file's stem when empty.
            task: Id of the artifact task that can read it, "plugin.module.Class"; without
                one it can only be downloaded.
            description: Free text.
            request_id: Repeating a call with the same one returns the first artifact.

        Raises:
            NotFoundError: No such file, or artifact task.
        """
        source = check_upload(Path(path))
        header = make(
            pb.UploadArtifactHeader,
            request_id=request_id or uuid4().hex,
            name=name or source.stem,
            task=task,
            is_directory=source.is_dir(),
            basename=source.name,
            description=description,
        )
        response = self._connection.send(
            self._stub.UploadArtifact, lambda: upload_parts(header, source)
        )
        return read_artifact(response.artifact)


def _id(artifact: int | Artifact) -> int:
    return artifact.id if isinstance(artifact, Artifact) else artifact
