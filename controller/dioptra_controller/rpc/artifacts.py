"""ArtifactService."""

import asyncio
import contextlib
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy
from google.protobuf.duration_pb2 import Duration

from dioptra_controller.access import auditing
from dioptra_controller.access.caller import Role
from dioptra_controller.access.checks import choose_group
from dioptra_controller.artifacts import ancestry, catalog
from dioptra_controller.artifacts.catalog import ArtifactRecord
from dioptra_controller.artifacts.collector import Collector
from dioptra_controller.artifacts.readers import find_reader
from dioptra_controller.artifacts.upload import Upload
from dioptra_controller.database.engine import Database
from dioptra_controller.paging import Page, PageRequest
from dioptra_controller.registry import tags
from dioptra_controller.registry.names import check_name, check_text
from dioptra_controller.registry.requests import once
from dioptra_controller.rpc.encode_artifacts import write_artifact, write_garbage, write_lineage
from dioptra_controller.rpc.listings import Tags
from dioptra_ray.api.controller.v1 import artifact_service_pb2 as pb
from dioptra_ray.api.controller.v1 import artifact_service_pb2_grpc as pb_grpc
from dioptra_ray.errors import DioptraError, InvalidRequestError
from dioptra_ray.store import ArtifactStore, Manifest

_MOST_LINKS = 1000
_LONGEST_GRACE = 10 * 366 * 86400


class ArtifactServicer(pb_grpc.ArtifactServiceServicer):
    """Answers for artifacts."""

    def __init__(
        self,
        database: Database,
        store: ArtifactStore,
        collector: Collector,
        *,
        max_upload: int,
        link_seconds: int,
    ) -> None:
        self._database = database
        self._store = store
        self._collector = collector
        self._max_upload = max_upload
        self._link_seconds = link_seconds

    async def GetArtifact(
        self, request: pb.GetArtifactRequest, context: Any
    ) -> pb.GetArtifactResponse:
        """Show one with its files."""
        found, found_tags = await self._database.read(_get, request.id)
        uris = await self._locate([found])
        written = write_artifact(found, uris[found.id], tags=found_tags)
        return pb.GetArtifactResponse(artifact=written)

    async def GetArtifactLineage(
        self, request: pb.GetArtifactLineageRequest, context: Any
    ) -> pb.GetArtifactLineageResponse:
        """Show where one came from, and what was made of it."""
        found = await self._database.read(ancestry.trace, request.id, request.depth)
        return write_lineage(found, await self._locate(found.artifacts.values()))

    async def ListArtifacts(
        self, request: pb.ListArtifactsRequest, context: Any
    ) -> pb.ListArtifactsResponse:
        """Show a page of them without their files."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        wanted = catalog.ArtifactFilter(
            job_id=request.job_id,
            name=request.name,
            entrypoint=request.entrypoint,
            search=request.search,
            tag=request.tag,
            deleted=request.deleted,
        )
        found, found_tags = await self._database.read(_list, page, wanted)
        uris = await self._locate(found.rows)
        rows = [
            write_artifact(one, uris[one.id], tags=found_tags, with_files=False)
            for one in found.rows
        ]
        return pb.ListArtifactsResponse(artifacts=rows, next_page_token=found.next_token)

    async def DownloadArtifact(
        self, request: pb.DownloadArtifactRequest, context: Any
    ) -> AsyncIterator[pb.DownloadArtifactResponse]:
        """Send the content of one file."""
        found = await self._database.read(catalog.get, request.id)
        catalog.refuse_deleted(found)
        chunks = await asyncio.to_thread(
            self._store.open_file,
            found.key,
            request.path,
            begin=request.offset,
            length=request.length,
        )
        try:
            while chunk := await asyncio.to_thread(next, chunks, b""):
                yield pb.DownloadArtifactResponse(content=chunk)
        finally:
            await asyncio.to_thread(_close, chunks)

    async def CreateArtifactLinks(
        self, request: pb.CreateArtifactLinksRequest, context: Any
    ) -> pb.CreateArtifactLinksResponse:
        """Say where files can be fetched from the store itself."""
        if len(request.paths) > _MOST_LINKS:
            raise InvalidRequestError(f"ask for at most {_MOST_LINKS} files at once")
        found = await self._database.read(catalog.get, request.id)
        catalog.refuse_deleted(found)
        if not self._link_seconds:
            return pb.CreateArtifactLinksResponse()
        urls = await asyncio.to_thread(
            self._store.link_files, found.key, request.paths, self._link_seconds
        )
        links = map(_write_link, request.paths, urls)
        return pb.CreateArtifactLinksResponse(
            links=links, lifetime=Duration(seconds=self._link_seconds)
        )

    async def CollectGarbage(
        self, request: pb.CollectGarbageRequest, context: Any
    ) -> pb.CollectGarbageResponse:
        """Delete what nobody needs, or say what it is."""
        grace = _read_grace(request) if request.HasField("grace") else None
        found = await self._collector.collect(dry_run=request.dry_run, grace=grace)
        return write_garbage(found)

    async def UploadArtifact(
        self, request_iterator: AsyncIterator[pb.UploadArtifactRequest], context: Any
    ) -> pb.UploadArtifactResponse:
        """Store what was made outside of a job."""
        header = await _read_header(request_iterator)
        auditing.about(f"artifact {header.name}")
        check_name("artifact", header.name)
        check_text(f"artifact {header.name!r}", header.description)
        # Before the bytes come: a wrong task or group should not cost an upload.
        reader = await self._database.read(_find_reader, header)
        upload = Upload(
            header.basename, is_directory=header.is_directory, max_bytes=self._max_upload
        )
        with upload:
            async for request in request_iterator:
                await asyncio.to_thread(_take, upload, request)
            path = upload.finish()
            record = await self._keep(header, reader, path)
        uris = await self._locate([record])
        written = write_artifact(record, uris[record.id], tags={})
        return pb.UploadArtifactResponse(artifact=written)

    async def _locate(self, records: Iterable[ArtifactRecord]) -> dict[int, str]:
        """Where their bytes lie; only a directory can be asked for each of a list."""
        plain = {one.id: f"{self._store.url.rstrip('/')}/{one.key}" for one in records}
        if not self._store.url.startswith("file:"):
            return plain
        return await asyncio.to_thread(_find_files, self._store, records, plain)

    async def _keep(
        self, header: pb.UploadArtifactHeader, reader: catalog.Lineage, path: Path
    ) -> catalog.ArtifactRecord:
        key = f"uploads/{uuid.uuid4().hex}"
        kept = False
        try:
            manifest = await _to_the_end(self._store.put_artifact, key, path)
            record = await self._database.write(_record, header, reader, key, manifest)
            kept = record.key == key
        finally:
            if not kept:
                # Nothing refers to it: the row was not written, or an equal request was first.
                await asyncio.to_thread(self._store.delete_artifact, key)
        return record


def _get(connection: sqlalchemy.Connection, artifact_id: int) -> tuple[ArtifactRecord, Tags]:
    return catalog.get(connection, artifact_id), tags.load(connection, "artifact", [artifact_id])


def _list(
    connection: sqlalchemy.Connection, page: PageRequest, wanted: catalog.ArtifactFilter
) -> tuple[Page[ArtifactRecord], Tags]:
    found = catalog.list_page(connection, page, wanted)
    return found, tags.load(connection, "artifact", [one.id for one in found.rows])


def _find_reader(
    connection: sqlalchemy.Connection, header: pb.UploadArtifactHeader
) -> catalog.Lineage:
    choose_group(connection, header.group, Role.SUBMITTER)
    return find_reader(connection, header.task)


async def _to_the_end(function: Callable[[str, Path], Manifest], key: str, path: Path) -> Manifest:
    """Run on a thread and wait for its end even when the call is cancelled meanwhile."""
    work = asyncio.ensure_future(asyncio.to_thread(function, key, path))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            await work
        raise


def _record(
    connection: sqlalchemy.Connection,
    header: pb.UploadArtifactHeader,
    reader: catalog.Lineage,
    key: str,
    manifest: Manifest,
) -> catalog.ArtifactRecord:
    def create() -> str:
        made = catalog.record(
            connection,
            name=header.name,
            key=key,
            manifest_json=manifest.to_json(),
            lineage=reader,
            description=header.description,
            group=choose_group(connection, header.group, Role.SUBMITTER),
        )
        return str(made)

    content = header.SerializeToString(deterministic=True) + manifest.digest.encode()
    artifact_id = once(
        connection, header.request_id, method="UploadArtifact", content=content, create=create
    )
    return catalog.get(connection, int(artifact_id))


async def _read_header(
    requests: AsyncIterator[pb.UploadArtifactRequest],
) -> pb.UploadArtifactHeader:
    first = await anext(aiter(requests), None)
    if first is None or first.WhichOneof("part") != "header":
        raise InvalidRequestError("the first message of an upload must be its header")
    return first.header


def _read_grace(request: pb.CollectGarbageRequest) -> dt.timedelta:
    if not 0 <= request.grace.seconds <= _LONGEST_GRACE:
        raise InvalidRequestError(
            f"the grace time is {request.grace.seconds} s; use an hour (3600 s) to "
            f"{_LONGEST_GRACE} s"
        )
    return dt.timedelta(seconds=request.grace.seconds, microseconds=request.grace.nanos // 1000)


def _write_link(path: str, url: str) -> pb.ArtifactLink:
    return pb.ArtifactLink(path=path, url=url)


def _take(upload: Upload, request: pb.UploadArtifactRequest) -> None:
    match request.WhichOneof("part"):
        case "path":
            upload.begin_file(request.path)
        case "content":
            upload.write(request.content)
        case "directory":
            upload.add_directory(request.directory)
        case _:
            raise InvalidRequestError(
                "after its header, an upload consists of paths, directories and contents only"
            )


def _close(chunks: Iterator[bytes]) -> None:
    close = getattr(chunks, "close", None)
    if close is not None:
        # After a cancelled call a thread may still be inside of it; it ends by itself then.
        with contextlib.suppress(ValueError):
            close()


def _find_files(
    store: ArtifactStore, records: Iterable[ArtifactRecord], plain: dict[int, str]
) -> dict[int, str]:
    found = dict(plain)
    for record in records:
        # What is not there, or damaged, is said by whoever wants to read it.
        with contextlib.suppress(DioptraError):
            found[record.id] = store.locate(record.key)
    return found
