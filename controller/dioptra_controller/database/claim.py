"""An SQLite file belongs to one controller at a time; a second one is refused.

Sessions of runners, watchers and lease clocks live in one process. Controllers on PostgreSQL
tell each other of them; those on one SQLite file would not, and each would take the other's
jobs back. The claim is a lock of the operating system on a file beside the database, so it
ends with its process, however that ends.
"""

import fcntl
import os
from pathlib import Path

import sqlalchemy

from dioptra_ray.errors import PreconditionError, UnavailableError


class Claim:
    """The right to be the controller of an SQLite file; nothing on any other database.

    Args:
        url: Of the database.
    """

    def __init__(self, url: str) -> None:
        parsed = sqlalchemy.make_url(url)
        in_file = parsed.get_backend_name() == "sqlite" and parsed.database not in {
            None,
            "",
            ":memory:",
        }
        self._path = Path(f"{parsed.database}.lock") if in_file else None
        self._file: int | None = None

    def take(self) -> None:
        """Take it, until `release` or the end of the process; idempotent.

        Raises:
            PreconditionError: Another controller has it.
            UnavailableError: The lock file cannot be written.
        """
        if self._path is None or self._file is not None:
            return
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UnavailableError(f"cannot open {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(file, 32, 0).decode(errors="replace").strip()
            os.close(file)
            who = f"process {holder}" if holder.isdecimal() else "another process"
            raise PreconditionError(
                f"the SQLite file {self._path.with_suffix('')} is in use by {who}: only one "
                "controller may use it at a time. Stop that one, use another file, or use "
                "PostgreSQL (DIOPTRA_DATABASE_URL=postgresql+psycopg://...), which several "
                "controllers may share"
            ) from error
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        self._file = file

    def release(self) -> None:
        """Give it up; idempotent. The lock file stays: removing it could split a lock in two."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
