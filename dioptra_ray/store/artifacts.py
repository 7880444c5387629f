"""The artifact store over any kind of objects: what makes an artifact whole lives here.

An artifact's files are written below `<key>/<upload>/`, where `<upload>` is new for every
call, and its manifest below `manifests/` last. So a reader sees the earlier artifact or
the new one, never a mixture, and what an interrupted upload leaves is never visible.
"""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from dioptra_ray.errors import (
    AlreadyExistsError,
    ConflictError,
    DataLossError,
    DioptraError,
    InvalidRequestError,
    NotFoundError,
    OutOfRangeError,
)
from dioptra_ray.store.inventory import Kind, Stored, take_stock
from dioptra_ray.store.keys import MANIFESTS, check_key, manifest_key
from dioptra_ray.store.manifest import (
    Manifest,
    ManifestFile,
    make_manifest,
    media_type,
    read_manifest,
)
from dioptra_ray.store.objects import ObjectInfo, Objects, Readable, Unfinished
from dioptra_ray.store.transfer import HashingReader, for_each, in_chunks, read_exactly, verified
from dioptra_ray.store.tree import SourceFile, read_tree

# Bound now: this is called while a plugin may have put something in its place.
_dumps = json.dumps
# Names that a listing in XML, a URL or a file system may not give back as they were.
_WHOLE = 1 << 20
"""Bytes up to which a file is read at once."""
_OWNER = ".owner"
_ODD_CHARACTERS = re.compile(r"[\x00-\x1f\x7f%\\\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class _Record:
    """What is stored of an artifact besides its files."""

    manifest: Manifest
    folder: str


class ObjectArtifactStore:
    """An `ArtifactStore` over `Objects`."""

    def __init__(self, objects: Objects) -> None:
        self.url = objects.url
        self._objects = objects

    def put_blob(self, key: str, content: bytes) -> None:
        """See `ArtifactStore`."""
        self._objects.write(check_key(key), content)

    def get_blob(self, key: str) -> bytes:
        """See `ArtifactStore`."""
        content = self._objects.read(check_key(key))
        if content is None:
            raise NotFoundError(f"There is no {key} in {self.url}.", key=key)
        return content

    def has_blob(self, key: str) -> bool:
        """See `ArtifactStore`."""
        return self._objects.exists(check_key(key))

    def delete_blob(self, key: str) -> None:
        """See `ArtifactStore`."""
        self._objects.delete(check_key(key))

    def put_stream(self, key: str, content: Readable, size: int) -> str:
        """See `ArtifactStore`."""
        reader = HashingReader(content)
        try:
            self._objects.write_stream(check_key(key), reader, size)
        except EOFError as error:
            raise ConflictError(
                f"{key} cannot be stored: it changed its size meanwhile."
            ) from error
        except OSError as error:
            raise ConflictError(
                f"{key} cannot be stored, since it cannot be read: {error}."
            ) from error
        return reader.digest

    def open_stream(self, key: str, *, size: int, digest: str) -> Iterator[bytes]:
        """See `ArtifactStore`."""
        file = ManifestFile(path=check_key(key), size=size, digest=digest)
        pieces = verified(self._objects.chunks(key, size, ahead=True), file, self.url)
        return (chunk for piece in pieces for chunk in in_chunks(piece))

    def list_blobs(self, folder: str) -> Iterator[ObjectInfo]:
        """See `ArtifactStore`."""
        return self._objects.entries(f"{check_key(folder)}/")

    def delete_below(self, folder: str) -> None:
        """See `ArtifactStore`."""
        self._objects.delete_below(check_key(folder))

    def put_artifact(self, key: str, source: Path) -> Manifest:
        """See `ArtifactStore`."""
        where = manifest_key(key)
        tree = read_tree(source)
        earlier = self._find(key)
        folder = f"{key}/{secrets.token_hex(6)}"
        try:
            files = for_each(
                lambda file: self._upload(file, folder), tree.files, self._objects.parallelism
            )
            manifest = make_manifest(
                tree.basename,
                files,
                is_directory=tree.is_directory,
                directories=tree.directories,
            )
            self._objects.write(where, _write_record(_Record(manifest, folder)))
        except BaseException:
            with suppress(DioptraError):
                self._objects.delete_below(folder)
            raise
        if earlier is not None:
            with suppress(DioptraError):
                self._objects.delete_below(earlier.folder)
        return manifest

    def get_artifact(self, key: str, destination: Path) -> Path:
        """See `ArtifactStore`."""
        record = self._get(key)
        manifest = record.manifest
        final = destination / manifest.basename
        if os.path.lexists(final):
            raise AlreadyExistsError(f"{final} exists already: move it away first.")
        partial = destination / f".{secrets.token_hex(6)}.partial"
        partial.mkdir(parents=True)
        try:
            parents = {file.path.rpartition("/")[0] for file in manifest.files}
            for path in sorted({*manifest.directories, *parents}):
                (partial / path).mkdir(parents=True, exist_ok=True)
            for_each(
                lambda file: self._download(key, record.folder, file, partial),
                manifest.files,
                self._objects.parallelism,
            )
            made = partial if manifest.is_directory else partial / manifest.basename
            made.rename(final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return final

    def read_manifest(self, key: str) -> Manifest:
        """See `ArtifactStore`."""
        return self._get(key).manifest

    def open_file(self, key: str, path: str, *, begin: int = 0, length: int = 0) -> Iterator[bytes]:
        """See `ArtifactStore`."""
        record = self._get(key)
        file = self._file(record, key, path)
        if not begin and not length:
            return self._read(key, record.folder, file)
        if begin < 0 or length < 0 or begin > file.size:
            raise OutOfRangeError(
                f"{file.path!r} has {file.size} bytes: there is nothing from byte {begin} on."
            )
        end = min(begin + length, file.size) if length else file.size
        name = _object_name(record.folder, file.path)
        return self._read_range(name, begin, end)

    def locate(self, key: str) -> str:
        """See `ArtifactStore`."""
        record = self._get(key)
        manifest, where = record.manifest, record.folder
        if not manifest.is_directory:
            where = _object_name(where, manifest.basename)
        return f"{self.url.rstrip('/')}/{quote(where)}"

    def delete_artifact(self, key: str) -> None:
        """See `ArtifactStore`."""
        self._objects.delete(manifest_key(key))
        self._objects.delete_below(key)

    def list_artifacts(self, prefix: str = "") -> Iterator[str]:
        """See `ArtifactStore`."""
        names = self._objects.names(f"{MANIFESTS}/{prefix}")
        yield from sorted(name[len(MANIFESTS) + 1 : -len(".json")] for name in names)

    def take_stock(self) -> Iterator[Stored]:
        """See `ArtifactStore`."""
        yield from take_stock(self._objects.entries(""))
        for begun in self._objects.unfinished():
            yield Stored(
                kind=Kind.UNFINISHED,
                key=begun.name,
                place=begun.name or "(unfinished)",
                objects=1,
                size=begun.size,
                modified=begun.begun,
                token=begun.token,
            )

    def remove(self, stored: Stored) -> None:
        """See `ArtifactStore`."""
        match stored.kind:
            case Kind.UNFINISHED:
                self._objects.abort(
                    Unfinished(name=stored.key, begun=stored.modified, token=stored.token)
                )
            case Kind.ARTIFACT | Kind.SCRATCH:
                self._objects.delete_below(stored.place)
            case _:
                self._objects.delete(stored.place)

    def claim(self, owner: str) -> str:
        """See `ArtifactStore`."""
        if (present := self._objects.read(_OWNER)) is None:
            self._objects.write(_OWNER, owner.encode())
            # Two may have come at once: the one who wrote last has it.
            present = self._objects.read(_OWNER)
        return (present or b"").decode(errors="replace")

    def upload_folder(self, key: str) -> str:
        """See `ArtifactStore`."""
        return self._get(key).folder

    def link_files(self, key: str, paths: Sequence[str], seconds: float) -> list[str]:
        """See `ArtifactStore`."""
        record = self._get(key)
        files = [self._file(record, key, path) for path in paths]
        links = [
            self._objects.presign(_object_name(record.folder, file.path), seconds) for file in files
        ]
        return [link for link in links if link is not None]

    def check(self) -> None:
        """See `ArtifactStore`."""
        self._objects.check()

    def _file(self, record: _Record, key: str, path: str) -> ManifestFile:
        file = record.manifest.file(path)
        if file is None:
            raise NotFoundError(f"The artifact {key} has no file {path!r}.", key=key, path=path)
        return file

    def _read_range(self, name: str, begin: int, end: int) -> Iterator[bytes]:
        missing = end - begin
        if missing:
            for chunk in self._objects.chunks(name, end, begin=begin):
                yield chunk[:missing]
                missing -= len(chunk)
                if missing <= 0:
                    return

    def _find(self, key: str) -> _Record | None:
        content = self._objects.read(manifest_key(key))
        return None if content is None else _read_record(content, key)

    def _get(self, key: str) -> _Record:
        record = self._find(key)
        if record is None:
            raise NotFoundError(f"There is no artifact {key} in {self.url}.", key=key)
        return record

    def _upload(self, file: SourceFile, folder: str) -> ManifestFile:
        try:
            stream = file.location.open("rb")
        except OSError as error:
            raise InvalidRequestError(f"{file.location} cannot be read: {error}.") from error
        media = media_type(file.path)
        with stream:
            size = os.fstat(stream.fileno()).st_size
            reader = HashingReader(stream)
            name = _object_name(folder, file.path)
            try:
                if size > _WHOLE:
                    self._objects.write_stream(name, reader, size, media_type=media)
                else:
                    content = read_exactly(reader, size)
                    sha256 = reader.digest.removeprefix("sha256:")
                    self._objects.write(name, content, media_type=media, sha256=sha256)
            except (OSError, EOFError) as error:
                raise ConflictError(
                    f"{file.location} changed while it was stored, or cannot be read: {error}."
                ) from error
        return ManifestFile(path=file.path, size=size, digest=reader.digest, media_type=media)

    def _download(self, key: str, folder: str, file: ManifestFile, root: Path) -> None:
        with (root / file.path).open("xb", buffering=0) as stream:
            for chunk in self._read(key, folder, file, ahead=True):
                stream.write(chunk)

    def _read(
        self, key: str, folder: str, file: ManifestFile, *, ahead: bool = False
    ) -> Iterator[bytes]:
        where = f"artifact {key} in {self.url}"
        chunks = self._objects.chunks(_object_name(folder, file.path), file.size, ahead=ahead)
        try:
            yield from verified(chunks, file, where)
        except NotFoundError as error:
            raise DataLossError(f"{file.path!r} of {where} is gone.", path=file.path) from error


def _object_name(folder: str, path: str) -> str:
    escaped = _ODD_CHARACTERS.sub(lambda match: f"%{ord(match[0]):02X}", path)
    return f"{folder}/{escaped}"


def _write_record(record: _Record) -> bytes:
    data = {"version": 1, "folder": record.folder, "manifest": asdict(record.manifest)}
    return _dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


def _read_record(content: bytes, key: str) -> _Record:
    try:
        data = json.loads(content)
        folder = str(data["folder"])
        if not folder.startswith(f"{key}/"):
            raise ValueError(f"{folder!r} is not a folder of the artifact")  # noqa: TRY301
        return _Record(read_manifest(data["manifest"]), folder)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataLossError(f"The manifest of artifact {key} is damaged: {error}.") from error
