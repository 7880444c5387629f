"""Every database that a controller may use: SQLite files and a real PostgreSQL server."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dioptra_controller.database.engine import Database
from dioptra_controller.database.migrate import upgrade
from tests.tools.postgres import PostgresServer, running_postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server of its own; fails, and never skips, where PostgreSQL is not installed."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'controller.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"test_{os.urandom(6).hex()}"
    # The locale sorts as people do, unlike Python: ours must not depend on it.
    server.execute(
        f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
    )
    yield server.url(name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def open_database(database_url: str) -> Iterator[Callable[[], Database]]:
    """Opens the database once more; all are closed at the end."""
    opened: list[Database] = []

    def open_one() -> Database:
        opened.append(Database(database_url))
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture
def empty_database(open_database: Callable[[], Database]) -> Database:
    return open_database()


@pytest.fixture
def database(empty_database: Database) -> Database:
    """A database with the newest schema."""
    upgrade(empty_database)
    return empty_database
