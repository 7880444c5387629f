"""Moving files and payloads to the store's scratch space and back.

Large files, and outputs that are kept for a retry, go there instead of through Ray's
memory. What is stored can be found only by what storing it returned.
"""

import pickle
import secrets
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from os import fstat
from pathlib import Path

from dioptra_ray.store import ArtifactStore
from dioptra_ray.store.objects import Readable
from dioptra_workers.stage.patience import patiently
from dioptra_workers.stage.payload import Payload
from dioptra_workers.stage.sparse import (
    ExtentReader,
    Extents,
    find_extents,
    length,
    write_extents,
)

_NUMBER = struct.Struct("<Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Something in the scratch space.

    Attributes:
        key: Where it lies in the store.
        size: Bytes that are stored.
        digest: "sha256:<hex>" of them.
    """

    key: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file in the scratch space.

    Attributes:
        content: Its data, without its holes.
        size: Bytes of the file.
        extents: Where the data lies in it.
    """

    content: Stored
    size: int
    extents: Extents


class Scratch:
    """A folder of the scratch space. Calls wait for a store that does not answer."""

    def __init__(self, store: ArtifactStore, folder: str) -> None:
        """Prepare; nothing is contacted yet.

        Args:
            store: The store.
            folder: A key below which everything is put, such as `scratch_folder` gives.
        """
        self._store = store
        self._folder = folder

    def put_file(self, source: Path | int) -> StoredFile:
        """Store a regular file, or an open one, a few MiB at a time; holes take no space.

        Raises:
            OSError: It cannot be read.
            ConflictError: It became shorter meanwhile.
        """
        with open(source, "rb", buffering=0, closefd=isinstance(source, Path)) as file:
            size = fstat(file.fileno()).st_size
            extents = find_extents(file.fileno(), size)
            content = self._put(lambda: ExtentReader(file.fileno(), extents), length(extents))
        return StoredFile(content=content, size=size, extents=extents)

    def get_file(self, stored: StoredFile, path: Path) -> None:
        """Write a stored file to `path`, which must not exist.

        Raises:
            NotFoundError: It has been removed from the store.
            DataLossError: The stored bytes were changed or lost; nothing is left at `path`.
        """
        patiently(self._get_file, stored, path)

    def copy(self, stored: StoredFile) -> StoredFile:
        """Copy a stored file into this folder.

        Raises:
            NotFoundError: It has been removed from the store.
            DataLossError: The stored bytes were changed or lost.
        """
        content = stored.content
        copied = self._put(lambda: _ChunkReader(self._chunks(content)), content.size)
        return replace(stored, content=copied)

    def put_payload(self, payload: Payload) -> Stored:
        """Store pickled values."""
        views = [memoryview(buffer).cast("B") for buffer in payload.buffers]
        sizes = [view.nbytes for view in views]
        head = b"".join(map(_NUMBER.pack, (len(views), *sizes)))
        return self._put(lambda: _ViewReader([memoryview(head), *views]), len(head) + sum(sizes))

    def get_payload(self, stored: Stored) -> Payload:
        """Read what `put_payload` stored.

        Raises:
            NotFoundError: It has been removed from the store.
            DataLossError: The stored bytes were changed or lost.
        """
        whole = memoryview(patiently(self._read, stored)).toreadonly()
        (count,) = _NUMBER.unpack_from(whole)
        place = _NUMBER.size * (count + 1)
        buffers = []
        for number in range(1, count + 1):
            (size,) = _NUMBER.unpack_from(whole, _NUMBER.size * number)
            buffers.append(pickle.PickleBuffer(whole[place : place + size]))
            place += size
        return Payload(tuple(buffers))

    def _put(self, content: Callable[[], Readable], size: int) -> Stored:
        key = f"{self._folder}/{secrets.token_hex(8)}"
        digest = patiently(lambda: self._store.put_stream(key, content(), size))
        return Stored(key=key, size=size, digest=digest)

    def _chunks(self, stored: Stored) -> Iterator[bytes]:
        return self._store.open_stream(stored.key, size=stored.size, digest=stored.digest)

    def _read(self, stored: Stored) -> bytearray:
        content = bytearray(stored.size)
        place = 0
        for chunk in self._chunks(stored):
            content[place : place + len(chunk)] = chunk
            place += len(chunk)
        return content

    def _get_file(self, stored: StoredFile, path: Path) -> None:
        with path.open("xb", buffering=0) as file:
            try:
                chunks = self._chunks(stored.content)
                write_extents(file.fileno(), chunks, stored.extents, stored.size)
            except BaseException:
                path.unlink()
                raise


class _ViewReader:
    """Reads what lies in several places of memory as one stream."""

    def __init__(self, views: Sequence[memoryview]) -> None:
        self._left = list(reversed(views))

    def read(self, size: int = -1, /) -> bytes:
        pieces = []
        while self._left and size:
            view = self._left.pop()
            piece = view if size < 0 else view[:size]
            pieces.append(piece)
            if piece.nbytes < view.nbytes:
                self._left.append(view[piece.nbytes :])
            size = size if size < 0 else size - piece.nbytes
        return b"".join(pieces)


class _ChunkReader:
    """Reads chunks as one stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        pieces, wanted = [], size
        while wanted:
            if not self._rest:
                self._rest = next(self._chunks, b"")
            if not self._rest:
                break
            piece = self._rest if wanted < 0 else self._rest[:wanted]
            self._rest = self._rest[len(piece) :]
            wanted -= len(piece) if wanted > 0 else 0
            pieces.append(piece)
        return b"".join(pieces)
