"""Plugin snapshots as bytes: packed the same way everywhere, unpacked without harm.

The digest of a bundle is the identity of a plugin snapshot, so equal files must give equal
bytes on every machine; and a bundle may come from anybody, so unpacking trusts nothing in it.
"""

import gzip
import hashlib
import io
import struct
import tarfile
import unicodedata
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tarfile import HeaderError, ReadError
from typing import Final, Self

from dioptra_ray.errors import ExhaustedError, InvalidRequestError, NotFoundError

MAX_FILES: Final = 10_000
MAX_BYTES: Final = 256 * 1024 * 1024
# Source code shrinks to a tenth, and not to a hundredth; a little is let through at any ratio.
MAX_RATIO: Final = 100
FREE_BYTES: Final = 16 * 1024 * 1024
_BLOCK: Final = 0xFFFF
_CHUNK: Final = 1024 * 1024
# Control and format characters (such as those that turn the direction of writing), and what is no
# character at all.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SKIPPED_FOLDERS: Final = frozenset({"__pycache__"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A packed plugin.

    Attributes:
        digest: "sha256:<hex>" of `content`.
        content: A gzip-compressed tar archive of regular files.
    """

    digest: str
    content: bytes


def pack(files: Mapping[str, bytes]) -> Bundle:
    """Pack files, by path relative to the plugin; equal files give equal bytes.

    Raises:
        InvalidRequestError: A path is absolute, leaves the plugin, or is no portable path, or
            two differ only in case.
        ExhaustedError: There are too many files, or they are too large.
    """
    _check_size(len(files), sum(map(len, files.values())))
    _check_tree(files)
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(files):
            member = tarfile.TarInfo(check_path(path))
            member.size = len(files[path])
            member.mode = 0o644
            try:
                archive.addfile(member, io.BytesIO(files[path]))
            except ValueError as error:
                raise InvalidRequestError(f"The path {path!r} is too long.", path=path) from error
    content = _store(tar.getvalue())
    return Bundle(digest=digest_of(content), content=content)


def digest_of(content: bytes) -> str:
    """What names a bundle with this content."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a plugin folder, by path relative to it, sorted.

    Hidden files, caches and links that lead out of the folder are left out.

    Raises:
        NotFoundError: There is no such folder.
        ExhaustedError: It holds too much to be a plugin.
    """
    if not folder.is_dir():
        raise NotFoundError(f"There is no folder {folder}.", path=str(folder))
    root = folder.resolve()
    files: dict[str, bytes] = {}
    size = 0
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        hidden = any(part.startswith(".") or part in _SKIPPED_FOLDERS for part in relative.parts)
        if hidden or not path.is_file() or not path.resolve().is_relative_to(root):
            continue
        size += path.stat().st_size
        _check_size(len(files) + 1, size)
        files[relative.as_posix()] = path.read_bytes()
    return files


def read_archive(content: bytes) -> dict[str, bytes]:
    """The files in a gzip-compressed tar archive, by path.

    Raises:
        InvalidRequestError: It is no such archive, or holds links, devices, the same path
            twice (also in another case), or paths that leave it.
        ExhaustedError: It holds too many files, or they are too large.
    """
    files: dict[str, bytes] = {}
    try:
        for path, data in _members(content):
            if path in files:
                raise InvalidRequestError(f"The archive holds {path!r} twice.", path=path)
            files[path] = data
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidRequestError(f"This is not a gzip-compressed tar archive: {error}.") from error
    _check_tree(files)
    return files


def unpack(content: bytes, destination: Path) -> None:
    """Write a bundle's files below `destination`; nothing is written if one is refused.

    Raises:
        InvalidRequestError, ExhaustedError: As `read_archive`.
    """
    for path, data in read_archive(content).items():
        target = destination.joinpath(*PurePosixPath(path).parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def check_path(path: str) -> str:
    """Return a path that is relative, stays inside, and means the same on every system.

    Raises:
        InvalidRequestError: It does not.
    """
    parts = path.split("/")
    bad = {"", ".", ".."}
    if any(part in bad for part in parts) or any(c in path for c in "\\:\0"):
        raise InvalidRequestError(
            f"{path!r} is not a path inside the archive: use relative paths with forward "
            "slashes, without '..'.",
            path=path,
        )
    return path


def _members(content: bytes) -> Iterator[tuple[str, bytes]]:
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as plain:
        bounded = _Bounded(plain, len(content))
        # A stream is read once, front to back: a bomb is noticed while it unfolds.
        with tarfile.open(fileobj=bounded, mode="r|", tarinfo=_Member) as archive:
            yield from _files(archive)
        # What is behind the end is nothing to us, but the checksum is behind that.
        while bounded.read(_CHUNK):
            pass


def _files(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    size = count = 0
    for member in archive:
        count += 1
        size += member.size
        _check_size(count, size)
        name = member.name.removeprefix("./")
        if member.isdir():
            continue
        if member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE}:
            raise InvalidRequestError(
                f"{member.name!r} is a link, a device or sparse; only regular files are taken.",
                path=member.name,
            )
        data = archive.extractfile(member)
        yield check_path(name), data.read() if data else b""


def _store(data: bytes) -> bytes:
    """A gzip stream without compression.

    Every compressor compresses in its own way, and even Python's gzip header differs
    between versions; stored bytes are the same everywhere.
    """
    blocks = [data[at : at + _BLOCK] for at in range(0, len(data), _BLOCK)]
    stream = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"]
    for index, block in enumerate(blocks):
        last = index == len(blocks) - 1
        stream += [struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block]
    stream.append(struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF))
    return b"".join(stream)


class _Member(tarfile.TarInfo):
    """A member whose damage is an error; to tarfile it would be the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile)
        except HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":  # the honest end, by no public name
                raise
            raise ReadError(f"it is damaged or cut short ({error})") from error


class _Bounded(io.RawIOBase):
    """Stops reading where no honest archive would go on."""

    def __init__(self, source: gzip.GzipFile, size: int) -> None:
        self._source = source
        # Headers and padding take up to 1 KiB a file, extended headers some more.
        most = MAX_BYTES + MAX_FILES * 4096
        self._left = min(most, max(FREE_BYTES, MAX_RATIO * size))

    def read(self, size: int = -1, /) -> bytes:
        most = self._left + 1
        data = self._source.read(most if size < 0 else min(size, most))
        self._left -= len(data)
        if self._left < 0:
            raise ExhaustedError(
                "The archive unfolds to more than a plugin may hold, or to more than "
                f"{MAX_RATIO} times its size."
            )
        return data


def _check_size(count: int, size: int) -> None:
    if count > MAX_FILES:
        raise ExhaustedError(f"More than {MAX_FILES} files; a plugin holds source files only.")
    if size > MAX_BYTES:
        raise ExhaustedError(
            f"More than {MAX_BYTES // 1024**2} MiB; a plugin holds source files only, "
            "data belongs into artifacts."
        )


def _check_tree(files: Mapping[str, bytes]) -> None:
    for path in files:
        if any(unicodedata.category(character) in _UNSEEN for character in path):
            raise InvalidRequestError(
                f"{path!r} holds a character that cannot be seen; rename the file.", path=path
            )
    seen: dict[str, str] = {}
    for path in files:
        other = seen.setdefault(unicodedata.normalize("NFKC", path).casefold(), path)
        if other != path:
            raise InvalidRequestError(
                f"{path!r} and {other!r} are the same file where case or the way to write an "
                "accent does not count; rename one.",
                path=path,
            )
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents}
    if clash := sorted(folders & set(files)):
        raise InvalidRequestError(f"{clash[0]!r} is a file and a folder.", path=clash[0])
