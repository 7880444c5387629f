"""The bytes of artifacts, on their way down and up."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from dioptra_ray.api.controller.v1 import artifact_service_pb2 as pb
from dioptra_ray.client.backoff import Backoff
from dioptra_ray.client.requests import make
from dioptra_ray.errors import (
    AlreadyExistsError,
    DataLossError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from dioptra_ray.wire.artifacts import Artifact, ArtifactFile

CHUNK: Final = 1024 * 1024


def receive(
    artifact: Artifact,
    destination: Path,
    open_file: Callable[[str], Iterator[bytes]],
    *,
    backoff: Callable[[], Backoff],
    overwrite: bool,
) -> Path:
    """Fetch all files of an artifact, then move it into place at once."""
    target = destination / _plain_name(artifact.basename)
    if target.exists() and not overwrite:
        raise AlreadyExistsError(f"{target} exists already; choose another folder or overwrite it")
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".dioptra-ray-", dir=destination) as folder:
        partial = Path(folder) / target.name
        if artifact.is_directory:
            partial.mkdir()
        for file in artifact.files:
            inner = _inner_path(file.path) if artifact.is_directory else PurePosixPath()
            path = partial / inner
            path.parent.mkdir(parents=True, exist_ok=True)
            _receive_file(file, path, open_file, backoff())
        _replace(partial, target)
    return target


def _receive_file(
    file: ArtifactFile, path: Path, open_file: Callable[[str], Iterator[bytes]], backoff: Backoff
) -> None:
    while True:
        try:
            digest = _write(open_file(file.path), path)
        except UnavailableError:
            if not backoff.wait():
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
        if path.is_file():
            yield from _file_parts(path.relative_to(source).as_posix(), path)


def _file_parts(name: str, path: Path) -> Iterator[pb.UploadArtifactRequest]:
    yield make(pb.UploadArtifactRequest, path=name)
    with path.open("rb") as content:
        while chunk := content.read(CHUNK):
            yield make(pb.UploadArtifactRequest, content=chunk)
