"""Access to the database: transactions run on threads, the event loop only awaits them.

Services are plain functions of an open `sqlalchemy.Connection`; this module decides where
they run and when they commit. SQLite has one writer, so writes share one thread; reads
have their own. PostgreSQL uses a pool for both.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError

from dioptra_ray.errors import UnavailableError

P = ParamSpec("P")
T = TypeVar("T")

_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=5000",
)


class Database:
    """One database and the threads that talk to it.

    A write commits before its awaitable returns; what it asked to `notify` about is
    delivered after the commit and never before.
    """

    def __init__(self, url: str, *, on_commit: Callable[[Iterable[Any]], None] | None = None):
        self.engine = sqlalchemy.create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._on_commit = on_commit
        if self.is_sqlite:
            event.listen(self.engine, "connect", _set_pragmas)
            event.listen(self.engine, "begin", _begin)
        self._writer = ThreadPoolExecutor(1 if self.is_sqlite else 8, "database-write")
        self._reader = ThreadPoolExecutor(4, "database-read")

    async def write(
        self,
        function: Callable[Concatenate[sqlalchemy.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `function(connection, ...)` in one transaction and commit it.

        Raises:
            UnavailableError: The database is locked or gone; nothing was written.
        """
        loop = asyncio.get_running_loop()
        result, notices = await loop.run_in_executor(
            self._writer, lambda: self.write_now(function, *args, **kwargs)
        )
        if notices and self._on_commit is not None:
            self._on_commit(notices)
        return result

    async def read(
        self,
        function: Callable[Concatenate[sqlalchemy.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `function(connection, ...)` on a snapshot of the database."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._reader, lambda: self.read_now(function, *args, **kwargs)
        )

    def write_now(
        self,
        function: Callable[Concatenate[sqlalchemy.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> tuple[T, list[Any]]:
        """`write` on the calling thread: the result and what to notify about."""
        with _translated(), self.engine.connect() as connection:
            connection.info["writes"] = True
            connection.info["notices"] = notices = []
            with connection.begin():
                result = function(connection, *args, **kwargs)
        return result, notices

    def read_now(
        self,
        function: Callable[Concatenate[sqlalchemy.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """`read` on the calling thread."""
        with _translated(), self.engine.connect() as connection:
            connection.info["writes"] = False
            return function(connection, *args, **kwargs)

    def close(self) -> None:
        """Finish what runs, then close every connection."""
        self._writer.shutdown()
        self._reader.shutdown()
        self.engine.dispose()


def notify(connection: sqlalchemy.Connection, notice: Any) -> None:
    """Deliver `notice` to the database's `on_commit` once this transaction has committed."""
    connection.info["notices"].append(notice)


class _translated:  # noqa: N801 - reads as a statement
    """Turns "the database is gone or locked" into an error that callers may retry."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OperationalError) or (
            isinstance(error, DBAPIError) and error.connection_invalidated
        ):
            msg = "the database does not answer; nothing was written"
            raise UnavailableError(msg) from error


def _set_pragmas(connection: Any, _record: object) -> None:
    # The driver's own transaction handling would begin too late; see _begin.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _SQLITE_PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin(connection: sqlalchemy.Connection) -> None:
    # A write that begins deferred can fail to upgrade its lock half-way.
    writes = connection.info.get("writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
