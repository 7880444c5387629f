"""Moving bytes while their checksum is taken, and several files at once."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from dioptra_ray.errors import DataLossError
from dioptra_ray.store.manifest import ManifestFile
from dioptra_ray.store.objects import CHUNK, Readable

Item = TypeVar("Item")
Result = TypeVar("Result")


class HashingReader:
    """A stream that takes the checksum of what is read from it."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes."""
        content = self._stream.read(size)
        self._hash.update(content)
        self.size += len(content)
        return content

    @property
    def digest(self) -> str:
        """Of what was read so far."""
        return f"sha256:{self._hash.hexdigest()}"


def read_exactly(content: Readable, size: int) -> bytes:
    """Read so many bytes.

    Raises:
        EOFError: There are fewer.
    """
    first = content.read(size)
    if len(first) == size:
        return first
    pieces, missing = [first], size - len(first)
    while missing:
        piece = content.read(missing)
        if not piece:
            raise EOFError(f"{missing} bytes are missing")
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def in_chunks(piece: bytes) -> Iterator[bytes]:
    """The piece in chunks of at most 1 MiB."""
    if len(piece) <= CHUNK:
        yield piece
        return
    view = memoryview(piece)
    for begin in range(0, len(piece), CHUNK):
        yield bytes(view[begin : begin + CHUNK])


def verified(chunks: Iterable[bytes], file: ManifestFile, where: str) -> Iterator[bytes]:
    """Pass `chunks` on; raise DataLossError at the end when they are not `file`'s."""
    digest = hashlib.sha256()
    size = 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        yield chunk
    if size != file.size or f"sha256:{digest.hexdigest()}" != file.digest:
        raise DataLossError(
            f"{file.path!r} of {where} does not match its checksum: the stored bytes were "
            "changed or lost. Make the artifact again, or restore it from a backup.",
            path=file.path,
        )


def for_each(
    function: Callable[[Item], Result], items: Iterable[Item], parallelism: int
) -> list[Result]:
    """`function` of every item, in order; after the first failure no further one begins."""
    pending = list(items)
    if parallelism == 1 or len(pending) <= 1:
        return [function(item) for item in pending]
    with ThreadPoolExecutor(min(parallelism, len(pending)), "dioptra-store") as pool:
        futures: list[Future[Result]] = [pool.submit(function, item) for item in pending]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            for future in futures:
                future.cancel()
        failed = next(
            (f for f in futures if f.done() and not f.cancelled() and f.exception()), None
        )
        if failed is not None:
            failed.result()
        return [future.result() for future in futures]
