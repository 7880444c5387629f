"""The bytes of artifacts, on their way down and up."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from dioptra_ray.api.controller.v1 import artifact_service_pb2 as pb
from dioptra_ray.client.backoff import Backoff, asked_of
from dioptra_ray.client.direct import DirectLinks
from dioptra_ray.client.requests import make
from dioptra_ray.errors import (
    AlreadyExistsError,
    DataLossError,
    InvalidRequestError,
    NotFoundError,
    ThrottledError,
    UnavailableError,
)
from dioptra_ray.wire.artifacts import Artifact, ArtifactFile

CHUNK: Final = 1024 * 1024
FILES_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the files of an artifact come from.

    Attributes:
        open_file: From the controller, by path.
        links: From the store itself, as long as that works.
        backoff: Delays between attempts at the controller.
    """

    open_file: Callable[[str], Iterator[bytes]]
    links: DirectLinks
    backoff: Callable[[], Backoff]


def receive(artifact: Artifact, destination: Path, source: Source, *, overwrite: bool) -> Path:
    """Fetch all files of an artifact, several at once, then move it into place at once."""
    target = destination / _plain_name(artifact.basename)
    if target.exists() and not overwrite:
        raise AlreadyExistsError(f"{target} exists already; choose another folder or overwrite it")
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".dioptra-ray-", dir=destination) as folder:
        partial = Path(folder) / target.name
        if not artifact.is_directory:
            _receive_file(artifact.files[0], partial, source)
        else:
            places = [(file, partial / _inner_path(file.path)) for file in artifact.files]
            inner = [partial / _inner_path(path) for path in artifact.directories]
            for path in {partial, *inner, *(place.parent for _, place in places)}:
                path.mkdir(parents=True, exist_ok=True)
            _receive_all(places, source)
        _replace(partial, target)
    return target


def pick_file(artifact: Artifact, path: str) -> Artifact:
    """An artifact of just one file of this one.

    Raises:
        NotFoundError: There is no such file.
    """
    found = next((file for file in artifact.files if file.path == path), None)
    if found is None:
        raise NotFoundError(f"the artifact {artifact.id} ({artifact.name}) has no file {path!r}")
    name = path.rpartition("/")[2]
    return replace(artifact, basename=name, is_directory=False, files=(found,), directories=())


def _receive_all(places: Sequence[tuple[ArtifactFile, Path]], source: Source) -> None:
    with ThreadPoolExecutor(FILES_AT_ONCE, "dioptra-ray-download") as pool:
        coming = [pool.submit(_receive_file, file, path, source) for file, path in places]
        try:
            for done in as_completed(coming):
                done.result()
        finally:
            for each in coming:
                each.cancel()


def _receive_file(file: ArtifactFile, path: Path, source: Source) -> None:
    # What the store itself gives is believed only when it is what was stored.
    direct = source.links.open(file.path)
    if direct is not None:
        try:
            if _write(direct, path) == file.digest:
                return
        except UnavailableError:
            pass
        source.links.forget()
    backoff = source.backoff()
    while True:
        try:
            digest = _write(source.open_file(file.path), path)
        except (ThrottledError, UnavailableError) as error:
            if not backoff.wait(asked_of(error)):
                raise
        else:
            break
    if file.digest and file.digest != digest:
        raise DataLossError(
            f"the content of {file.path} does not match its checksum", path=file.path
        )


def _write(chunks: Iterator[bytes], path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as output:
        for chunk in chunks:
            digest.update(chunk)
            output.write(chunk)
    return f"sha256:{digest.hexdigest()}"


def _replace(partial: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    elif partial.is_dir():
        target.unlink(missing_ok=True)
    partial.replace(target)


def _plain_name(name: str) -> str:
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise InvalidRequestError(f"the artifact's file name {name!r} cannot be written here")
    return name


def _inner_path(path: str) -> PurePosixPath:
    inner = PurePosixPath(path)
    if inner.is_absolute() or not inner.parts or ".." in inner.parts or "\0" in path:
        raise InvalidRequestError(f"the artifact holds the path {path!r}, which leads out of it")
    return inner


def check_upload(path: Path) -> Path:
    """Resolve what is to be uploaded.

    Raises:
        NotFoundError: It does not exist, or is neither a file nor a directory.
    """
    source = path.resolve()
    if not source.is_file() and not source.is_dir():
        raise NotFoundError(f"there is no file or directory {path}")
    return source


def upload_parts(
    header: pb.UploadArtifactHeader, source: Path
) -> Iterator[pb.UploadArtifactRequest]:
    """The messages of an upload: the header, then each file's path and content."""
    yield make(pb.UploadArtifactRequest, header=header)
    if not header.is_directory:
        yield from _file_parts(source.name, source)
        return
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if path.is_file():
            yield from _file_parts(name, path)
        elif path.is_dir() and not any(path.iterdir()):
            yield make(pb.UploadArtifactRequest, directory=name)


def _file_parts(name: str, path: Path) -> Iterator[pb.UploadArtifactRequest]:
    yield make(pb.UploadArtifactRequest, path=name)
    with path.open("rb") as content:
        while chunk := content.read(CHUNK):
            yield make(pb.UploadArtifactRequest, content=chunk)
