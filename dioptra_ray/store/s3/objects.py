"""Objects in a bucket of any S3 service.

Only what every service has is used: put, get, head, list, delete, multipart uploads.
S3 shows an object when its upload is complete, and replaces it in one instant.
"""

import datetime as dt
import secrets
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice
from typing import Final

from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from dioptra_ray.errors import NotFoundError, UnavailableError
from dioptra_ray.store.budget import MemoryBudget
from dioptra_ray.store.manifest import DEFAULT_TYPE
from dioptra_ray.store.objects import ObjectInfo, Readable, Unfinished
from dioptra_ray.store.s3.connecting import connect
from dioptra_ray.store.s3.errors import ServiceError, explained
from dioptra_ray.store.s3.multipart import Sender, list_uploads
from dioptra_ray.store.settings import StoreSettings
from dioptra_ray.store.transfer import for_each, in_chunks, read_exactly

PARALLELISM: Final = 16
PIECE: Final = 8 << 20
"""Bytes of a part of an upload, and of a range of a download."""
_BUDGET: Final = 32 << 20
_PIECES_AT_ONCE: Final = 4
_DELETED_AT_ONCE: Final = 1000
_NO_BULK: Final = ("AccessDenied", "MethodNotAllowed", "NotImplemented")
_OUT_OF_RANGE: Final = 416


class S3Objects:
    """`Objects` below a prefix of a bucket."""

    parallelism = PARALLELISM

    def __init__(self, bucket: str, prefix: str, settings: StoreSettings) -> None:
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint = settings.endpoint
        self._region = settings.region
        self._encryption = _encryption_headers(settings.encryption)
        with self._explained():
            self._client, self._requests = connect(bucket, settings)
        self._pool = ThreadPoolExecutor(_PIECES_AT_ONCE, "dioptra-store-piece")
        self._budget = MemoryBudget(_BUDGET)
        self._sender = Sender(
            requests=self._requests, executor=self._pool, budget=self._budget, part_size=PIECE
        )

    def write(self, name: str, content: bytes, *, media_type: str = "", sha256: str = "") -> None:
        """See `Objects`."""
        headers = self._headers(media_type)
        taken = self._budget.take(len(content))
        try:
            with self._explained():
                self._requests.send(
                    "PUT", self._prefix + name, headers=headers, body=content, sha256=sha256
                )
        finally:
            self._budget.give_back(taken)

    def write_stream(
        self, name: str, content: Readable, size: int, *, media_type: str = ""
    ) -> None:
        """See `Objects`."""
        if size <= PIECE:
            self.write(name, read_exactly(content, size), media_type=media_type)
            return
        with self._explained():
            self._sender.send(self._prefix + name, content, size, self._headers(media_type))

    def read(self, name: str) -> bytes | None:
        """See `Objects`."""
        try:
            return self._read_range(name, 0, 0)
        except NotFoundError:
            return None

    def chunks(
        self, name: str, size: int, *, begin: int = 0, ahead: bool = False
    ) -> Iterator[bytes]:
        """See `Objects`."""
        ranges = deque(_ranges(begin, size))
        if ahead and len(ranges) > 1:
            yield from self._pieces_ahead(name, ranges)
            return
        for each in ranges:
            yield from in_chunks(self._read_range(name, *each))

    def _pieces_ahead(self, name: str, ranges: deque[tuple[int, int]]) -> Iterator[bytes]:
        coming: deque[tuple[Future[bytes], int]] = deque()
        try:
            while ranges or coming:
                while ranges and len(coming) < _PIECES_AT_ONCE:
                    # Who waits for memory must hold none, lest all wait for each other.
                    take = self._budget.try_take if coming else self._budget.take
                    if (taken := take(PIECE)) is None:
                        break
                    piece = self._pool.submit(self._read_range, name, *ranges.popleft())
                    coming.append((piece, taken))
                yield coming[0][0].result()
                self._budget.give_back(coming.popleft()[1])
        finally:
            for piece, taken in coming:
                piece.cancel()
                self._budget.give_back_after(piece, taken)

    def exists(self, name: str) -> bool:
        """See `Objects`."""
        try:
            with self._explained():
                self._requests.send("HEAD", self._prefix + name)
        except NotFoundError:
            return False
        return True

    def delete(self, name: str) -> None:
        """See `Objects`."""
        with self._explained():
            self._requests.send("DELETE", self._prefix + name)

    def delete_below(self, folder: str) -> None:
        """See `Objects`."""
        self.delete_many(self.names(f"{folder}/"))

    def delete_many(self, names: Iterable[str]) -> None:
        """See `Objects`."""
        left = iter(names)
        while batch := list(islice(left, _DELETED_AT_ONCE)):
            with self._explained():
                try:
                    self._delete_together(batch)
                except S3Error as error:
                    if error.code not in _NO_BULK:
                        raise
                    # Some services want more rights for many at once than for each.
                    for_each(self.delete, batch, PARALLELISM)

    def names(self, prefix: str) -> Iterator[str]:
        """See `Objects`."""
        return (entry.name for entry in self.entries(prefix))

    def entries(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Objects`."""
        with self._explained():
            found = self._client.list_objects(
                self._bucket, prefix=self._prefix + prefix, recursive=True
            )
            # In the order of their bytes in UTF-8, which is that of the names.
            for item in found:
                if item.object_name:
                    yield ObjectInfo(
                        name=item.object_name[len(self._prefix) :],
                        size=item.size or 0,
                        modified=item.last_modified.timestamp(),
                    )

    def unfinished(self) -> Iterator[Unfinished]:
        """See `Objects`."""
        with self._explained():
            for begun in list_uploads(self._requests, self._prefix):
                yield replace(begun, name=begun.name[len(self._prefix) :])

    def abort(self, begun: Unfinished) -> None:
        """See `Objects`."""
        with self._explained():
            try:
                self._sender.abort(self._prefix + begun.name, begun.token)
            except ServiceError as error:
                if error.code not in ("NoSuchUpload", "NoSuchKey"):
                    raise

    def presign(self, name: str, seconds: float) -> str:
        """See `Objects`."""
        with self._explained():
            # Computed here: the service is not asked.
            return str(
                self._client.presigned_get_object(
                    self._bucket, self._prefix + name, expires=dt.timedelta(seconds=seconds)
                )
            )

    def check(self) -> None:
        """See `ArtifactStore.check`."""
        with self._explained():
            self._find_or_make_bucket()
        probe = f".check-{secrets.token_hex(8)}"
        self.write(probe, b"")
        self.delete(probe)

    def _find_or_make_bucket(self) -> None:
        # Listing instead of asking whether it exists: the answer to a GET says what is wrong.
        listing = self._client.list_objects(self._bucket, prefix=f"{self._prefix}.check-")
        try:
            next(listing, None)
        except S3Error as missing:
            if missing.code != "NoSuchBucket":
                raise
            try:
                self._client.make_bucket(self._bucket, self._region)
            except S3Error as error:
                # Somebody else was faster.
                if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                    raise

    def _delete_together(self, names: Sequence[str]) -> None:
        found = [DeleteObject(self._prefix + name) for name in names]
        for error in self._client.remove_objects(self._bucket, found):
            raise UnavailableError(f"{error.name} of {self.url} cannot be deleted: {error.code}.")

    def _read_range(self, name: str, first: int, last: int) -> bytes:
        headers = {"range": f"bytes={first}-{last}"} if last else {}
        with self._explained():
            try:
                return self._requests.send("GET", self._prefix + name, headers=headers).content
            except ServiceError as error:
                # It is shorter than it should be: for whoever compares checksums.
                if error.status == _OUT_OF_RANGE:
                    return b""
                raise

    def _headers(self, media_type: str) -> dict[str, str]:
        return {"content-type": media_type or DEFAULT_TYPE, **self._encryption}

    def _explained(self) -> AbstractContextManager[None]:
        return explained(self.url, self._endpoint)


def _ranges(begin: int, size: int) -> Iterator[tuple[int, int]]:
    """First and last byte of each piece; the last one asks for a byte too much.

    So bytes that were put after the end are noticed. Nothing is asked for by (0, 0), which
    is everything of what should be empty.
    """
    if not size:
        yield 0, 0
    for first in range(begin, size, PIECE):
        end = first + PIECE
        yield first, size if end >= size else end - 1


def _encryption_headers(encryption: str) -> dict[str, str]:
    name = "x-amz-server-side-encryption"
    if encryption.startswith("kms:"):
        return {name: "aws:kms", f"{name}-aws-kms-key-id": encryption.removeprefix("kms:")}
    return {name: "AES256"} if encryption else {}
