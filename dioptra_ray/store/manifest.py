"""What an artifact consists of. It is written last: without it an artifact does not exist."""

import hashlib
import json
import mimetypes
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from dioptra_ray.errors import DataLossError

# Bound now: manifests are written while a plugin may have put something in its place.
_dumps = json.dumps

_TYPES = {
    ".csv": "text/csv",
    ".gz": "application/gzip",
    ".npy": "application/x-npy",
    ".npz": "application/x-npz",
    ".parquet": "application/vnd.apache.parquet",
    ".pkl": "application/x-pickle",
    ".pt": "application/x-pytorch",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}
DEFAULT_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFile:
    """One file of an artifact.

    Attributes:
        path: Relative to a directory artifact; the basename of a single file.
        size: Bytes.
        digest: "sha256:<hex>" of its content.
        media_type: Guessed from its name.
    """

    path: str
    size: int
    digest: str
    media_type: str = DEFAULT_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an artifact consists of.

    Attributes:
        basename: Name of the file or directory that was stored.
        is_directory: Whether it is a directory.
        files: Its files, sorted by path.
        size: Bytes of all files.
        digest: "sha256:<hex>": of a single file its content's, so that `sha256sum`
            agrees; of a directory that of the list of its files.
        directories: Paths of sub-directories without files, sorted.
    """

    basename: str
    is_directory: bool
    files: tuple[ManifestFile, ...]
    size: int
    digest: str
    directories: tuple[str, ...] = ()

    def to_json(self) -> str:
        """As JSON; equal manifests give equal bytes."""
        return _dumps(asdict(self), separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Manifest":
        """Read what `to_json` wrote.

        Raises:
            DataLossError: It is damaged, or names paths outside of the artifact.
        """
        try:
            return read_manifest(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataLossError(f"The manifest of an artifact is damaged: {error}.") from error

    def file(self, path: str) -> ManifestFile | None:
        """The file at `path`; an empty path means the only file of a single-file artifact."""
        if not path and not self.is_directory:
            return self.files[0]
        return next((file for file in self.files if file.path == path), None)


def read_manifest(data: dict[str, Any]) -> Manifest:
    """Read a manifest from parsed JSON; raises ValueError and the like when it is damaged."""
    manifest = Manifest(
        basename=data["basename"],
        is_directory=bool(data["is_directory"]),
        files=tuple(ManifestFile(**file) for file in data["files"]),
        size=int(data["size"]),
        digest=data["digest"],
        directories=tuple(data.get("directories", ())),
    )
    if "/" in manifest.basename:
        raise ValueError(f"{manifest.basename!r} is not a name")
    for path in (manifest.basename, *(file.path for file in manifest.files), *manifest.directories):
        if path.startswith("/") or not path or {"", ".", ".."} & set(path.split("/")):
            raise ValueError(f"{path!r} is not a path inside of an artifact")
    if not manifest.is_directory and [file.path for file in manifest.files] != [manifest.basename]:
        raise ValueError("a single-file artifact has not exactly its one file")
    return manifest


def make_manifest(
    basename: str,
    files: Sequence[ManifestFile],
    *,
    is_directory: bool,
    directories: Sequence[str] = (),
) -> Manifest:
    """The manifest of these files, with total size and digest."""
    ordered = tuple(sorted(files, key=lambda file: file.path))
    empty = tuple(sorted(directories))
    return Manifest(
        basename=basename,
        is_directory=is_directory,
        files=ordered,
        size=sum(file.size for file in ordered),
        digest=_tree_digest(ordered, empty) if is_directory else ordered[0].digest,
        directories=empty,
    )


def media_type(path: str) -> str:
    """A media type for a file of this name."""
    suffix = PurePosixPath(path).suffix.lower()
    guessed, encoding = mimetypes.guess_type(path)
    if encoding == "gzip":
        return _TYPES[".gz"]
    return _TYPES.get(suffix) or guessed or DEFAULT_TYPE


def _tree_digest(files: Sequence[ManifestFile], directories: Sequence[str]) -> str:
    listing = [[file.path, file.size, file.digest] for file in files]
    content = _dumps([listing, list(directories)], separators=(",", ":")).encode()
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
