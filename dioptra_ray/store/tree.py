"""The files of what is to be stored, found on disk."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dioptra_ray.errors import InvalidRequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file to store: its path inside of the artifact, and where it is now."""

    path: str
    location: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTree:
    """What is to be stored, sorted by path."""

    basename: str
    is_directory: bool
    files: tuple[SourceFile, ...]
    directories: tuple[str, ...] = ()


def read_tree(source: Path) -> SourceTree:
    """Find what `source`, a file, a directory, or a link to one, consists of.

    Raises:
        InvalidRequestError: It is missing, or has something that cannot be stored.
    """
    basename = _checked(source.name or source.resolve().name, source)
    if source.is_file():
        only = SourceFile(path=basename, location=source)
        return SourceTree(basename=basename, is_directory=False, files=(only,))
    if not source.is_dir():
        what = "is neither a file nor a directory" if source.exists() else "does not exist"
        raise InvalidRequestError(f"{source} cannot be stored: it {what}.")
    files: list[SourceFile] = []
    empty: list[str] = []
    for path, location in _walk(source, "", (_identity(source),)):
        if location is None:
            empty.append(path)
        else:
            files.append(SourceFile(path=path, location=location))
    files.sort(key=lambda file: file.path)
    return SourceTree(
        basename=basename, is_directory=True, files=tuple(files), directories=tuple(sorted(empty))
    )


def _walk(
    directory: Path, prefix: str, above: tuple[tuple[int, int], ...]
) -> Iterator[tuple[str, Path | None]]:
    """Files with their locations, and directories without any entry with None."""
    for location in sorted(directory.iterdir()):
        path = f"{prefix}{_checked(location.name, location)}"
        if location.is_dir():
            identity = _identity(location)
            if identity in above:
                raise InvalidRequestError(
                    f"{location} cannot be stored: it is a link to a directory that holds it."
                )
            if not any(location.iterdir()):
                yield path, None
            yield from _walk(location, f"{path}/", (*above, identity))
        elif location.is_file():
            yield path, location
        else:
            what = "a link that leads nowhere" if location.is_symlink() else "a special file"
            raise InvalidRequestError(f"{location} cannot be stored: it is {what}.")


def _identity(directory: Path) -> tuple[int, int]:
    status = directory.stat()
    return status.st_dev, status.st_ino


def _checked(name: str, location: Path) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidRequestError(
            f"{str(location)!r} cannot be stored: its name is not valid Unicode; rename it."
        ) from None
    return name
