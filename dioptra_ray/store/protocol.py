"""What an artifact store can do, whatever holds the bytes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from dioptra_ray.store.inventory import Stored
from dioptra_ray.store.manifest import Manifest
from dioptra_ray.store.objects import ObjectInfo, Readable


class ArtifactStore(Protocol):
    """Blobs by key, and artifacts: a file or a directory by key, visible only when complete.

    All methods may be called from many threads. They raise UnavailableError when the
    store cannot be reached, PermissionDeniedError when it refuses the caller,
    ExhaustedError when it is full, and InvalidRequestError for a key that names no place
    inside of it.
    """

    url: str
    """Where it is, without credentials."""

    def put_blob(self, key: str, content: bytes) -> None:
        """Store `content`, replacing what was there in one instant."""

    def get_blob(self, key: str) -> bytes:
        """Return what `put_blob` stored. Raises NotFoundError."""

    def has_blob(self, key: str) -> bool:
        """Whether there is a blob of this key."""

    def delete_blob(self, key: str) -> None:
        """Delete a blob; no error when there is none."""

    def put_stream(self, key: str, content: Readable, size: int) -> str:
        """Store a large blob of exactly `size` bytes; only a few MiB of it are in memory.

        Returns:
            "sha256:<hex>" of it.

        Raises:
            ConflictError: `content` ended early; nothing is stored.
        """

    def open_stream(self, key: str, *, size: int, digest: str) -> Iterator[bytes]:
        """The content of a large blob, in chunks of at most 1 MiB.

        Raises:
            NotFoundError: No such blob; raised when the first chunk is asked for.
            DataLossError: It is not what `put_stream` stored; raised after the last chunk.
        """

    def list_blobs(self, folder: str) -> Iterator[ObjectInfo]:
        """The blobs below a folder, sorted by key."""

    def delete_below(self, folder: str) -> None:
        """Delete every blob below a folder; no error when there is none."""

    def put_artifact(self, key: str, source: Path) -> Manifest:
        """Store a file, a directory, or what a symlink leads to.

        The artifact becomes visible, or replaces an earlier one, at the end and in one
        instant; after a failure it is as if nothing had been tried. Links inside of a
        directory are followed.

        Raises:
            InvalidRequestError: The source is missing, or has something that is neither
                a file nor a directory.
        """

    def get_artifact(self, key: str, destination: Path) -> Path:
        """Bring an artifact to `destination`/basename and return that path.

        Raises:
            NotFoundError: No such artifact.
            AlreadyExistsError: The path is taken.
            DataLossError: The stored bytes do not match their checksums; nothing is left
                at the path.
        """

    def read_manifest(self, key: str) -> Manifest:
        """What the artifact consists of. Raises NotFoundError."""

    def open_file(self, key: str, path: str, *, begin: int = 0, length: int = 0) -> Iterator[bytes]:
        """The content of one file of an artifact, in chunks of at most 1 MiB.

        With `begin` or `length` only so many bytes from there on, which are not compared
        with any checksum; a length of 0 means up to the end.

        An empty path means the only file of a single-file artifact. A checksum that does
        not match raises DataLossError after the last chunk.

        Raises:
            NotFoundError: No such artifact, or no such file in it.
            OutOfRangeError: The file ends before `begin`.
        """

    def link_files(self, key: str, paths: Sequence[str], seconds: float) -> list[str]:
        """Addresses from which whoever has them can fetch these files for so many seconds.

        There are none when the store has no such addresses.

        Raises:
            NotFoundError: No such artifact, or no such file in it.
        """

    def locate(self, key: str) -> str:
        """URL of the stored file or directory itself. Raises NotFoundError."""

    def delete_artifact(self, key: str) -> None:
        """Delete an artifact; no error when there is none."""

    def list_artifacts(self, prefix: str = "") -> Iterator[str]:
        """The keys of all artifacts that begin with `prefix`, sorted."""

    def take_stock(self) -> Iterator[Stored]:
        """All that lies in the store, as far as it is known what it is for.

        What saved stages have is left out: it is looked after elsewhere.
        """

    def remove(self, stored: Stored) -> None:
        """Delete what `take_stock` found; no error when it is gone."""

    def claim(self, owner: str) -> str:
        """Make the store `owner`'s unless it is somebody's; returns whose it is."""

    def upload_folder(self, key: str) -> str:
        """The `place` of the files that an artifact consists of. Raises NotFoundError."""

    def check(self) -> None:
        """Make sure that it is reachable and writable, creating its directory or bucket.

        Raises:
            UnavailableError: It cannot be reached.
            InvalidRequestError: Its URL or settings are wrong; says what to do.
        """
