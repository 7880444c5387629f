"""Objects in a bucket of any S3 service.

Only what every service has is used: put, get, head, list, delete, multipart uploads.
S3 shows an object when its upload is complete, and replaces it in one instant.
"""

import io
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, cast

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from dioptra_ray.errors import DataLossError, NotFoundError
from dioptra_ray.store.objects import ObjectInfo, Readable
from dioptra_ray.store.protocol import CHUNK
from dioptra_ray.store.s3_errors import explained
from dioptra_ray.store.settings import StoreSettings

_PARALLELISM = 8
_PART_SIZE = 8 << 20
_PARALLEL_PARTS = 2
_MOST_PARTS = 9000
_CONNECT_SECONDS = 5.0
_READ_SECONDS = 60.0
_ATTEMPTS = 4
_METHODS = ("DELETE", "GET", "HEAD", "POST", "PUT")


class S3Objects:
    """`Objects` below a prefix of a bucket."""

    parallelism = _PARALLELISM

    def __init__(self, bucket: str, prefix: str, settings: StoreSettings) -> None:
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint = settings.endpoint
        self._region = settings.region
        with self._explained():
            self._client = Minio(
                settings.endpoint,
                access_key=settings.access_key.get_secret_value(),
                secret_key=settings.secret_key.get_secret_value(),
                secure=settings.secure,
                # Given, so that the client does not first ask for the bucket's location.
                region=settings.region,
                http_client=_make_pool(),
            )

    def write(self, name: str, content: bytes) -> None:
        """See `Objects`."""
        self.write_stream(name, io.BytesIO(content), len(content))

    def write_stream(self, name: str, content: Readable, size: int) -> None:
        """See `Objects`."""
        part_size = max(_PART_SIZE, -(-size // _MOST_PARTS))
        with self._explained():
            self._client.put_object(
                self._bucket,
                self._prefix + name,
                cast("Any", content),
                size,
                part_size=part_size,
                num_parallel_uploads=_PARALLEL_PARTS,
            )

    def read(self, name: str) -> bytes | None:
        """See `Objects`."""
        try:
            return b"".join(self.chunks(name))
        except NotFoundError:
            return None

    def chunks(self, name: str) -> Iterator[bytes]:
        """See `Objects`."""
        with self._explained():
            response = self._client.get_object(self._bucket, self._prefix + name)
            try:
                yield from response.stream(CHUNK)
            finally:
                response.close()
                response.release_conn()

    def exists(self, name: str) -> bool:
        """See `Objects`."""
        try:
            with self._explained():
                self._client.stat_object(self._bucket, self._prefix + name)
        except NotFoundError:
            return False
        return True

    def delete(self, name: str) -> None:
        """See `Objects`."""
        with self._explained():
            self._client.remove_object(self._bucket, self._prefix + name)

    def delete_below(self, folder: str) -> None:
        """See `Objects`."""
        with self._explained():
            found = [DeleteObject(self._prefix + name) for name in self.names(f"{folder}/")]
            for error in self._client.remove_objects(self._bucket, found):
                raise DataLossError(f"{error.name} of {self.url} cannot be deleted: {error}.")

    def names(self, prefix: str) -> Iterator[str]:
        """See `Objects`."""
        return (entry.name for entry in self.entries(prefix))

    def entries(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Objects`."""
        with self._explained():
            found = self._client.list_objects(
                self._bucket, prefix=self._prefix + prefix, recursive=True
            )
            entries = [self._entry(item) for item in found if item.object_name]
        yield from sorted(entries, key=lambda entry: entry.name)

    def _entry(self, item: Any) -> ObjectInfo:
        name, modified = item.object_name[len(self._prefix) :], item.last_modified.timestamp()
        return ObjectInfo(name=name, size=item.size, modified=modified)

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

    def _explained(self) -> AbstractContextManager[None]:
        return explained(self.url, self._endpoint)


def _make_pool() -> urllib3.PoolManager:
    """Connections with limits: the client's own pool waits for five minutes."""
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
        maxsize=_PARALLELISM * _PARALLEL_PARTS,
        retries=urllib3.Retry(
            total=_ATTEMPTS,
            backoff_factor=0.3,
            status_forcelist=(500, 502, 503, 504),
            allowed_methods=_METHODS,
        ),
    )
