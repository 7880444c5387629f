"""What a client uploads, gathered in a temporary folder until it is whole."""

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from dioptra_ray.errors import ExhaustedError, InvalidRequestError
from dioptra_ray.plugins.bundle import check_path

MAX_FILES = 100_000
MAX_NAME_BYTES = 255


class Upload:
    """A file or directory on its way in; a context manager that cleans up behind itself.

    Args:
        basename: Name of the file or directory.
        is_directory: Whether it is a directory.
        max_bytes: How large it may become.
    """

    def __init__(self, basename: str, *, is_directory: bool, max_bytes: int) -> None:
        if not basename or "/" in basename or len(basename.encode()) > MAX_NAME_BYTES:
            raise InvalidRequestError(
                f"the basename {basename!r} must be the plain name of a file or directory"
            )
        self._basename = check_path(basename)
        self._is_directory = is_directory
        self._left = max_bytes
        self._max_bytes = max_bytes
        self._folder = Path()
        self._paths: set[str] = set()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="dioptra-upload-"))
        if self._is_directory:
            self._target.mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _target(self) -> Path:
        return self._folder / self._basename

    def begin_file(self, path: str) -> None:
        """End the present file and begin the one at `path`.

        Raises:
            InvalidRequestError: The path leaves the artifact, was there before, or is not
                the one file of a single-file artifact.
            ExhaustedError: There are too many files.
        """
        if self._file is not None:
            self._file.close()
            self._file = None
        if path in self._paths:
            raise InvalidRequestError(f"the upload has the file {path!r} twice")
        if len(self._paths) >= MAX_FILES:
            raise ExhaustedError(f"the upload has more than {MAX_FILES} files")
        self._paths.add(path)
        if not self._is_directory and path not in ("", self._basename):
            raise InvalidRequestError(
                f"the upload is one file, {self._basename!r}, but also has {path!r}; "
                "set is_directory for a directory"
            )
        target = self._target / check_path(path) if self._is_directory else self._target
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._file = target.open("xb")
        except (FileExistsError, NotADirectoryError) as error:
            raise InvalidRequestError(f"{path!r} is a file and a directory, or twice") from error
        except OSError as error:
            raise InvalidRequestError(f"{path!r}: {error.strerror}") from error

    def add_directory(self, path: str) -> None:
        """Make a sub-directory, which may stay empty.

        Raises:
            InvalidRequestError: The path leaves the artifact or is a file, or the artifact is
                one file.
            ExhaustedError: There are too many.
        """
        if not self._is_directory:
            raise InvalidRequestError(f"the upload is one file, but also has {path!r}")
        if len(self._paths) >= MAX_FILES:
            raise ExhaustedError(f"the upload has more than {MAX_FILES} files")
        self._paths.add(f"{path}/")
        try:
            (self._target / check_path(path)).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise InvalidRequestError(f"{path!r} is a file and a directory") from error
        except OSError as error:
            raise InvalidRequestError(f"{path!r}: {error.strerror}") from error

    def write(self, content: bytes) -> None:
        """Append to the present file.

        Raises:
            InvalidRequestError: No file was begun.
            ExhaustedError: The upload becomes too large, or the disk is full.
        """
        if self._file is None:
            raise InvalidRequestError("the upload sends content before the path of its file")
        self._left -= len(content)
        if self._left < 0:
            raise ExhaustedError(f"the upload has more than {self._max_bytes} bytes")
        try:
            self._file.write(content)
        except OSError as error:
            raise ExhaustedError(f"the controller cannot hold it: {error.strerror}") from error

    def finish(self) -> Path:
        """Close the last file and return the whole.

        Raises:
            InvalidRequestError: A single-file upload without a file.
        """
        if self._file is not None:
            self._file.close()
            self._file = None
        if not self._is_directory and not self._paths:
            raise InvalidRequestError("the upload is one file, but no file was sent")
        return self._target
