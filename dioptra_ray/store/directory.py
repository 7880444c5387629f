"""Objects as files of a directory.

Bytes are written below `.partial`, synchronised, and only then renamed to where readers
look. A crash at any instant leaves at most something in `.partial`, which `check` clears
away once it is old.
"""

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from dioptra_ray.errors import (
    DioptraError,
    ExhaustedError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from dioptra_ray.store.objects import CHUNK, ObjectInfo, Readable, Unfinished

_PARTIAL = ".partial"
_ABANDONED_SECONDS = 7 * 86400


class DirectoryObjects:
    """`Objects` below a directory, on one machine or on a shared file system."""

    parallelism = 1

    def __init__(self, root: Path) -> None:
        self.url = root.as_uri()
        self._root = root

    def write(self, name: str, content: bytes, *, media_type: str = "", sha256: str = "") -> None:
        """See `Objects`."""
        with self._explained(), self._new_file(name) as file:
            file.write(content)

    def write_stream(
        self, name: str, content: Readable, size: int, *, media_type: str = ""
    ) -> None:
        """See `Objects`."""
        with self._explained(), self._new_file(name) as file:
            missing = size
            while missing:
                chunk = content.read(min(CHUNK, missing))
                if not chunk:
                    raise EOFError(f"{missing} bytes are missing")
                file.write(chunk)
                missing -= len(chunk)

    def read(self, name: str) -> bytes | None:
        """See `Objects`."""
        with self._explained():
            try:
                return (self._root / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def chunks(
        self, name: str, size: int, *, begin: int = 0, ahead: bool = False
    ) -> Iterator[bytes]:
        """See `Objects`."""
        with self._explained():
            try:
                file = (self._root / name).open("rb")
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise NotFoundError(f"There is no object {name} in {self.url}.") from None
        with file:
            file.seek(begin)
            while chunk := self._read_chunk(file):
                yield chunk

    def exists(self, name: str) -> bool:
        """See `Objects`."""
        with self._explained():
            return (self._root / name).is_file()

    def delete(self, name: str) -> None:
        """See `Objects`."""
        with self._explained(), suppress(FileNotFoundError, NotADirectoryError):
            (self._root / name).unlink()
            self._remove_empty_folders(Path(name).parent)

    def delete_below(self, folder: str) -> None:
        """See `Objects`."""
        with self._explained(), suppress(FileNotFoundError, NotADirectoryError):
            shutil.rmtree(self._root / folder)
            self._remove_empty_folders(Path(folder).parent)

    def delete_many(self, names: Iterable[str]) -> None:
        """See `Objects`."""
        for name in names:
            self.delete(name)

    def names(self, prefix: str) -> Iterator[str]:
        """See `Objects`."""
        folder = prefix.rpartition("/")[0]
        found = []
        with self._explained():
            for path, _, files in os.walk(self._root / folder):
                below = Path(path).relative_to(self._root)
                if below.parts[:1] != (_PARTIAL,):
                    found += [(below / file).as_posix() for file in files]
        yield from sorted(name for name in found if name.startswith(prefix))

    def entries(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Objects`."""
        for name in self.names(prefix):
            with self._explained():
                try:
                    status = (self._root / name).stat()
                except (FileNotFoundError, NotADirectoryError):
                    continue  # deleted meanwhile
            yield ObjectInfo(name=name, size=status.st_size, modified=status.st_mtime)

    def unfinished(self) -> Iterator[Unfinished]:
        """See `Objects`."""
        with self._explained(), suppress(FileNotFoundError):
            for path in sorted((self._root / _PARTIAL).iterdir()):
                with suppress(FileNotFoundError):
                    status = path.stat()
                    yield Unfinished(
                        name="", begun=status.st_mtime, token=path.name, size=status.st_size
                    )

    def abort(self, begun: Unfinished) -> None:
        """See `Objects`."""
        with self._explained():
            (self._root / _PARTIAL / Path(begun.token).name).unlink(missing_ok=True)

    def presign(self, name: str, seconds: float) -> str | None:
        """See `Objects`."""
        return None

    def check(self) -> None:
        """See `Objects`."""
        with self._explained():
            try:
                _make_folder(self._root)
                self._clear_abandoned()
                self._probe()
            except PermissionError as error:
                raise InvalidRequestError(
                    f"The artifact store {self.url} cannot be written: make its directory "
                    "writable for this user, or choose another one."
                ) from error
            except (FileExistsError, NotADirectoryError) as error:
                raise InvalidRequestError(
                    f"The artifact store {self.url} is not a directory: choose another path."
                ) from error

    @contextmanager
    def _new_file(self, name: str) -> Iterator[IO[bytes]]:
        """A file that takes its name once it is complete and on disk."""
        partial = self._root / _PARTIAL / secrets.token_hex(12)
        partial.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            final = self._root / name
            self._rename(partial, final)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _rename(self, partial: Path, final: Path) -> None:
        # A deletion beside us may take away the folder that we have just made.
        for _ in range(20):
            with suppress(FileNotFoundError):
                _make_folder(final.parent)
                partial.replace(final)
                _synchronise(final.parent)
                return
        raise UnavailableError(f"{final.parent} is being deleted while it is written; retry.")

    def _read_chunk(self, file: IO[bytes]) -> bytes:
        with self._explained():
            return file.read(CHUNK)

    def _remove_empty_folders(self, folder: Path) -> None:
        with suppress(OSError):
            while folder.parts:
                (self._root / folder).rmdir()
                folder = folder.parent

    def _probe(self) -> None:
        probe = f"{_PARTIAL}/check-{secrets.token_hex(8)}"
        with self._new_file(probe):
            pass
        (self._root / probe).unlink()

    def _clear_abandoned(self) -> None:
        oldest = time.time() - _ABANDONED_SECONDS
        with suppress(FileNotFoundError):
            for path in (self._root / _PARTIAL).iterdir():
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < oldest:
                        path.unlink()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DioptraError:
            raise
        except PermissionError as error:
            raise PermissionDeniedError(
                f"{self.url} refuses access to {error.filename}: check who owns it."
            ) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise ExhaustedError(f"The artifact store {self.url} is full.") from error
            raise UnavailableError(
                f"The artifact store {self.url} does not work: {error}."
            ) from error


def _make_folder(folder: Path) -> None:
    """Make `folder` and those above it so that they survive a power loss."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _synchronise(folder.parent)


def _synchronise(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
