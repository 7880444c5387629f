"""Finding out what a stage did to its working directory."""

import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dioptra_ray.errors import ConflictError
from dioptra_workers.stage.delta import Delta, Entry
from dioptra_workers.stage.scratch import Scratch, StoredFile
from dioptra_workers.stage.workspace import Stamps, scan

LARGE = 64 << 20
"""Bytes from which on a file goes through the store."""
MOST_INLINE = 256 << 20
"""Bytes of a delta's files after which all but small ones go through the store."""
SMALL = 1 << 20

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """The stage whose delta is packed; see `Delta`."""

    stage: str
    label: str
    after: tuple[str, ...]


def pack(root: Path, before: Stamps, author: Author, scratch: Scratch, warn: Warn) -> Delta:
    """What has become of the directory since `before`.

    Sockets and devices are left out: they mean nothing in another process. What cannot be
    read is left out as well, and said.

    Args:
        root: The working directory.
        before: Its stamps when the stage began.
        author: The stage.
        scratch: Where large files go.
        warn: Told of what cannot be read.
    """
    found = scan(root)
    for path in found.unreadable:
        warn(f"{path} cannot be read, so that later stages do not see what is in it.")
    packing = _Packing(root, scratch, warn)
    changed = [path for path, stamp in found.stamps.items() if before.get(path) != stamp]
    entries = [entry for path in changed if (entry := packing.pack(path)) is not None]
    entries += [
        Entry(path=path, kind="gone") for path in _gone(before, found.stamps, found.unreadable)
    ]
    entries.sort(key=lambda entry: entry.path)
    return Delta(
        stage=author.stage,
        label=author.label,
        after=author.after,
        entries=tuple(entries),
        content=memoryview(packing.content),
    )


def _gone(before: Stamps, now: Stamps, unreadable: Collection[str]) -> Iterator[str]:
    hidden = tuple(f"{path}/" for path in unreadable)
    for path in before:
        if path not in now and not path.startswith(hidden):
            yield path


class _Packing:
    """Collects the contents of files."""

    def __init__(self, root: Path, scratch: Scratch, warn: Warn) -> None:
        self.content = bytearray()
        self._root = root
        self._roots = {str(root), str(root.resolve())}
        self._scratch = scratch
        self._warn = warn

    def pack(self, path: str) -> Entry | None:
        """The entry of what is new or changed; None for what does not travel."""
        place = self._root / path
        try:
            status = place.lstat()
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISDIR(status.st_mode):
                return Entry(path=path, kind="folder", mode=mode)
            if stat.S_ISLNK(status.st_mode):
                return Entry(path=path, kind="link", target=self._portable(place))
            if stat.S_ISFIFO(status.st_mode):
                return Entry(path=path, kind="fifo", mode=mode)
            if stat.S_ISREG(status.st_mode):
                return self._pack_file(path, place)
        except FileNotFoundError:  # what the stage has started is still at work
            pass
        except PermissionError:
            self._warn(f"{path} cannot be read, so that later stages do not see it.")
        return None

    def _pack_file(self, path: str, place: Path) -> Entry:
        with _opened(place) as file:
            status = os.fstat(file)
            mode, size = stat.S_IMODE(status.st_mode), status.st_size
            full = len(self.content) + size > MOST_INLINE
            if size >= (SMALL if full else LARGE):
                stored = self._store(path, file)
                return Entry(
                    path=path, kind="file", mode=mode, mtime_ns=status.st_mtime_ns, stored=stored
                )
            begin = len(self.content)
            while content := os.read(file, SMALL):
                self.content += content
        return Entry(
            path=path,
            kind="file",
            mode=mode,
            mtime_ns=status.st_mtime_ns,
            place=begin,
            size=len(self.content) - begin,
        )

    def _store(self, path: str, file: int) -> StoredFile:
        try:
            return self._scratch.put_file(file)
        except ConflictError as error:
            raise ConflictError(
                f"{path} became shorter while it was stored for later stages: something that "
                "its step has started was still writing to it."
            ) from error

    def _portable(self, place: Path) -> str:
        """Where a link leads; into the directory by a relative path, since it will move."""
        target = os.readlink(place)  # noqa: PTH115 - as it was written, "a/" and "./a" too
        for root in self._roots:
            if target == root or target.startswith(f"{root}/"):
                here = self._root / os.path.relpath(target, root)
                return os.path.relpath(here, place.parent)
        return target


@contextmanager
def _opened(place: Path) -> Iterator[int]:
    """The file open for reading, also where a step has forbidden that to itself."""
    try:
        file = os.open(place, _FLAGS)
    except PermissionError:
        mode = stat.S_IMODE(place.lstat().st_mode)
        place.chmod(mode | stat.S_IRUSR)  # fails for what is somebody else's
        try:
            file = os.open(place, _FLAGS)
        finally:
            place.chmod(mode)
    try:
        yield file
    finally:
        os.close(file)
