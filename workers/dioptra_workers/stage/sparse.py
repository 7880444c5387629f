"""Reading and writing files without their holes."""

import errno
import os
from collections.abc import Iterable, Iterator

Extents = tuple[tuple[int, int], ...]
"""(offset, length) of the parts of a file that hold data, ascending; the rest are holes."""

_PIECE = 1 << 20


def find_extents(file: int, size: int) -> Extents:
    """Where an open file of `size` bytes holds data."""
    return tuple(_extents(file, size))


def _extents(file: int, size: int) -> Iterator[tuple[int, int]]:
    place = 0
    while place < size:
        try:
            start = os.lseek(file, place, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                return
            start = place  # a file system without holes
            end = size
        else:
            end = min(size, os.lseek(file, start, os.SEEK_HOLE))
        if start < end:
            yield start, end - start
        place = max(end, start + 1)


def length(extents: Extents) -> int:
    """Bytes of data."""
    return sum(size for _, size in extents)


class ExtentReader:
    """Reads the data of an open file, one extent after another."""

    def __init__(self, file: int, extents: Extents) -> None:
        self._file = file
        self._left = list(reversed(extents))

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; empty at the end, or where the file has become shorter."""
        wanted = _PIECE if size < 0 else size
        pieces = []
        while wanted and self._left:
            place, rest = self._left.pop()
            content = os.pread(self._file, min(rest, wanted), place)
            if not content:
                self._left.clear()
                break
            pieces.append(content)
            wanted -= len(content)
            if rest > len(content):
                self._left.append((place + len(content), rest - len(content)))
        return b"".join(pieces)


def write_extents(file: int, chunks: Iterable[bytes], extents: Extents, size: int) -> None:
    """Write the data of a file of `size` bytes where it belongs."""
    os.truncate(file, size)
    left = list(reversed(extents))
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest and left:
            place, wanted = left.pop()
            written = os.pwrite(file, rest[:wanted], place)
            rest = rest[written:]
            if wanted > written:
                left.append((place + written, wanted - written))
