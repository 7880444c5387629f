"""Copying an SQLite database while it is in use, and putting a copy in its place.

PostgreSQL has its own tools for both, which know more than we could.
"""

import contextlib
import os
import sqlite3
from pathlib import Path

import sqlalchemy

from dioptra_controller.database.claim import Claim
from dioptra_ray.errors import (
    AlreadyExistsError,
    InvalidRequestError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)

SKIPPED_IDS = 1_000_000
"""How many ids are never given after a restoration.

Jobs that were made after the backup have them. Somebody may have written them down, and what
they have stored lies in the store under them.
"""

_COUNTED = ("jobs", "sweeps")
# Copied in one go, writers would have to wait for the end of it.
_PAGES = 4096


def back_up(url: str, target: Path) -> int:
    """Copy the SQLite database of a controller, which may be running, into a new file.

    Returns:
        The size of the copy in bytes.

    Raises:
        InvalidRequestError: The database is not an SQLite file.
        AlreadyExistsError: The target exists.
        NotFoundError: There is no database.
        UnavailableError: Something cannot be read or written.
    """
    source = _path(url)
    if target.exists():
        raise AlreadyExistsError(f"{target} exists already; give another name, or remove it")
    if not source.exists():
        raise NotFoundError(f"there is no database {source}")
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        _copy(source, partial)
        _check(partial)
        partial.replace(target)
    except (sqlite3.Error, OSError) as error:
        raise UnavailableError(f"{source} cannot be copied to {target}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return target.stat().st_size


def restore(url: str, source: Path) -> Path | None:
    """Put a copy that `back_up` has made in the place of a controller's SQLite database.

    The controller must be stopped.

    Returns:
        Where the database of before is now; None if there was none.

    Raises:
        InvalidRequestError: The database is not an SQLite file, or the source is no copy.
        NotFoundError: There is no source.
        PreconditionError: A controller uses the database.
        UnavailableError: Something cannot be read or written.
    """
    target = _path(url)
    if not source.exists():
        raise NotFoundError(f"there is no backup {source}")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    claim = Claim(url)
    claim.take()
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        _check(source)
        _copy(source, partial)
        _skip_ids(partial)
        before = _set_aside(target)
        partial.replace(target)
    except sqlite3.Error as error:
        raise InvalidRequestError(f"{source} is no backup of a controller: {error}") from error
    except OSError as error:
        raise UnavailableError(f"{source} cannot be restored to {target}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
        claim.release()
    return before


def _path(url: str) -> Path:
    parsed = sqlalchemy.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        shown = parsed.render_as_string(hide_password=True)
        raise InvalidRequestError(
            f"the database is {shown}, but only SQLite files are copied by this command; for "
            "PostgreSQL use pg_dump and pg_restore (see docs/durability.md)"
        )
    return Path(parsed.database)


def _copy(source: Path, target: Path) -> None:
    """As of one moment, whatever is written meanwhile; without a log beside it."""
    target.touch(mode=0o600)
    with (
        contextlib.closing(
            sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)
        ) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        # The transaction holds the moment, so that writers do not make the copy begin again.
        old.execute("BEGIN")
        old.execute("SELECT count(*) FROM sqlite_master").fetchone()
        old.backup(new, pages=_PAGES)
        new.execute("PRAGMA journal_mode=DELETE")
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _check(path: Path) -> None:
    with contextlib.closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    ) as file:
        (found,) = file.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise PreconditionError(f"{path} is damaged: {found}")
        file.execute("SELECT version_num FROM alembic_version").fetchone()


def _skip_ids(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as file, file:
        for table in _COUNTED:
            file.execute(
                "UPDATE sqlite_sequence SET seq = seq + ? WHERE name = ?", (SKIPPED_IDS, table)
            )


def _set_aside(path: Path) -> Path | None:
    """Move a database with its log, which belongs to it and to no other."""
    if not path.exists():
        return None
    number = 1
    while (aside := path.with_name(f"{path.name}.before-restore-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(aside.with_name(aside.name + suffix))
    return aside
