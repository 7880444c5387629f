"""Access to the database: transactions run on threads, the event loop only awaits them.

Services are plain functions of an open `sqlalchemy.Connection`; this module decides where
they run and when they commit. SQLite has one writer, so writes share one thread; reads
have their own. PostgreSQL uses a pool for both.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import DataError, DBAPIError, OperationalError

from dioptra_controller.database.lane import Lane
from dioptra_controller.database.prepared import send
from dioptra_ray.errors import InvalidRequestError, UnavailableError

P = ParamSpec("P")
T = TypeVar("T")

_WAL_SECONDS = 5.0
_SQLITE_PRAGMAS = (
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=5000",
)


class Database:
    """One database and the threads that talk to it.

    A write commits before its awaitable returns; what it asked to `notify` about is
    delivered after the commit and never before, also when nobody waits for it any more.
    """

    def __init__(
        self,
        url: str,
        *,
        on_commit: Callable[[Iterable[Any]], None] | None = None,
        before_commit: Callable[[sqlalchemy.Connection], None] | None = None,
        synchronous: str = "normal",
    ) -> None:
        parsed = sqlalchemy.make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.engine = (
            _open_sqlite(parsed, synchronous) if self.is_sqlite else _open_postgres(parsed)
        )
        self._readers_engine = self._open_readers(parsed)
        self.on_commit = on_commit
        # Called in every transaction that writes, once its work is done.
        self.before_commit = before_commit
        self._writers = Lane("database-write", 1 if self.is_sqlite else 8)
        self._readers = Lane("database-read", 4)

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
        return await self._writers.run(
            lambda: self.write_now(function, *args, **kwargs), self._committed
        )

    async def read(
        self,
        function: Callable[Concatenate[sqlalchemy.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `function(connection, ...)` on a snapshot of the database."""
        return await self._readers.run(
            lambda: self.read_now(function, *args, **kwargs), lambda result: result
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
            notices: list[Any] = []
            connection.info["notices"] = notices
            with connection.begin():
                result = function(connection, *args, **kwargs)
                if self.before_commit is not None:
                    self.before_commit(connection)
        return result, notices

    def read_now(
        self,
        function: Callable[Concatenate[sqlalchemy.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """`read` on the calling thread."""
        with _translated(), self._readers_engine.connect() as connection:
            connection.info["writes"] = False
            with connection.begin():
                return function(connection, *args, **kwargs)

    def connect_arguments(self) -> dict[str, Any]:
        """What a driver's connection of its own needs; for PostgreSQL."""
        _, arguments = self.engine.dialect.create_connect_args(self.engine.url)
        return {**arguments, **_postgres_arguments(self.engine.url)}

    def close(self) -> None:
        """Finish what runs, then close every connection."""
        self._writers.close()
        self._readers.close()
        self._readers_engine.dispose()
        self.engine.dispose()

    def _open_readers(self, url: sqlalchemy.URL) -> sqlalchemy.Engine:
        if not self.is_sqlite:
            # Whatever one read asks, all its answers are of one moment.
            return self.engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        if _is_in_memory(url):
            return self.engine
        # A connection that has all writes to itself need not read again what it has written.
        return _open_sqlite(url, "normal")

    def _committed(self, result: tuple[T, list[Any]]) -> T:
        value, notices = result
        if notices and self.on_commit is not None:
            self.on_commit(notices)
        return value


def notify(connection: sqlalchemy.Connection, notice: Any) -> None:
    """Deliver `notice` to the database's `on_commit` once this transaction has committed."""
    connection.info["notices"].append(notice)


# What SQLite says when waiting may help, or when its file is gone; anything else that it
# calls operational (no such column, say) is a bug of ours and must look like one.
_SQLITE_UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
    }
)


def is_unavailable(error: BaseException | None) -> bool:
    """Whether an error means that the database cannot answer now."""
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        primary = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        return isinstance(error, OperationalError) and primary in _SQLITE_UNAVAILABLE
    return error.connection_invalidated or isinstance(error, OperationalError)


class _translated:  # noqa: N801 - reads as a statement
    """Says what a database says in words that callers understand.

    Gone or locked: they may try again. A value that it cannot hold (PostgreSQL has no NUL
    in texts): their input is wrong.
    """

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if is_unavailable(error):
            msg = "the database does not answer; nothing was written"
            raise UnavailableError(msg) from error
        if isinstance(error, DataError):
            raise InvalidRequestError(f"a value cannot be stored: {error.orig}") from error


def _is_in_memory(url: sqlalchemy.URL) -> bool:
    return url.database in {None, "", ":memory:"}


def _open_sqlite(url: sqlalchemy.URL, synchronous: str) -> sqlalchemy.Engine:
    # The connection that was used last has the most in its memory.
    options = {} if _is_in_memory(url) else {"pool_use_lifo": True}
    engine = sqlalchemy.create_engine(url, **options)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        _set_pragmas(connection, synchronous)

    event.listen(engine, "begin", _begin)
    return engine


def _open_postgres(url: sqlalchemy.URL) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(url, pool_pre_ping=True, connect_args=_postgres_arguments(url))


def _postgres_arguments(url: sqlalchemy.URL) -> dict[str, Any]:
    # Nobody waits for ever: neither for a server that is gone, nor for a lock.
    # Nor may one that stands still in a transaction make all others wait.
    options = "-c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
    arguments = {
        "connect_timeout": 10,
        "options": options,
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
    return {name: value for name, value in arguments.items() if name not in url.query}


def _set_pragmas(connection: Any, synchronous: str) -> None:
    # The driver's own transaction handling would begin too late; see _begin.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (f"PRAGMA synchronous={synchronous.upper()}", *_SQLITE_PRAGMAS):
        cursor.execute(pragma)
    _use_wal(cursor)
    cursor.close()


def _use_wal(cursor: Any) -> None:
    """Have a write-ahead log, which the first of all connections makes.

    SQLite does not wait for a lock here, whatever its busy timeout is, so we do.
    """
    give_up = time.monotonic() + _WAL_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return  # noqa: TRY300 - in memory there is none, which is no error
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def _begin(connection: sqlalchemy.Connection) -> None:
    # A write that begins deferred can fail to upgrade its lock half-way.
    writes = connection.info.get("writes", True)
    send(connection, "BEGIN IMMEDIATE" if writes else "BEGIN")
