"""A project as one archive: what its TOML file refers to, and nothing else.

It may come as a folder, or as an archive of one, such as a code host gives out: its files
may then lie in a single folder, whose name does not count.

What is wrong with the project is for the controller to say, all at once and with positions;
so what cannot be read here is left out, and missed there.
"""

import io
import posixpath
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from dioptra_ray.errors import ExhaustedError, InvalidRequestError, NotFoundError
from dioptra_ray.plugins.bundle import MAX_BYTES as MAX_UNPACKED
from dioptra_ray.plugins.bundle import (
    MAX_FILES,
    check_path,
    pack,
    read_archive,
)
from dioptra_ray.project.folder import CONFIG_NAME, named_paths, read_files

MAX_ARCHIVE: Final = 64 * 1024 * 1024
_ARCHIVES: Final = (".tar.gz", ".tgz", ".zip")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFiles:
    """The files of a project by path relative to its folder.

    Attributes:
        config_path: Path of its TOML file.
        files: All of them, that one included.
    """

    config_path: str
    files: dict[str, bytes]

    def pack(self) -> bytes:
        """Pack them as a gzip-compressed tar archive.

        Raises:
            ExhaustedError: It is larger than an import may be.
        """
        content = pack(self.files).content
        if len(content) > MAX_ARCHIVE:
            raise ExhaustedError(
                f"the project's files make {len(content) >> 20} MiB, and an import takes "
                f"{MAX_ARCHIVE >> 20}; keep data and models out of the plugin folders"
            )
        return content


def read_project_files(path: Path) -> ProjectFiles:
    """Read a project, given by its TOML file, its folder, or a .tar.gz or .zip of that.

    Raises:
        NotFoundError: There is no such file.
        ExhaustedError: Its plugin folders hold too much.
        InvalidRequestError: The archive is none.
    """
    if path.is_file() and path.name.endswith(_ARCHIVES):
        return _read_archive(path)
    config = path / CONFIG_NAME if path.is_dir() else path
    return ProjectFiles(config_path=config.name, files=read_files(config))


def _read_archive(path: Path) -> ProjectFiles:
    content = path.read_bytes()
    files = _read_zip(content) if path.suffix == ".zip" else read_archive(content)
    found = [name for name in files if PurePosixPath(name).name == CONFIG_NAME]
    if not found:
        raise NotFoundError(f"there is no {CONFIG_NAME} in {path}", path=str(path))
    config = min(found, key=lambda name: (name.count("/"), name))
    prefix = config.removesuffix(CONFIG_NAME)
    inner = {name.removeprefix(prefix): data for name, data in files.items()}
    wanted = {posixpath.normpath(one) for one in named_paths(inner[CONFIG_NAME])}
    kept = {
        name: data
        for name, data in inner.items()
        if name == CONFIG_NAME or any(name == one or name.startswith(f"{one}/") for one in wanted)
    }
    return ProjectFiles(config_path=CONFIG_NAME, files=kept)


def _read_zip(content: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    size = 0
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                size += member.file_size
                if size > MAX_UNPACKED or len(files) > MAX_FILES:
                    raise ExhaustedError("the archive unfolds to more than a project may hold")
                if not member.is_dir():
                    files[check_path(member.filename)] = archive.read(member)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error) as error:
        raise InvalidRequestError(f"this zip archive cannot be read: {error}") from error
    return files
