"""Every database that a controller may use: SQLite files and a real PostgreSQL server."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy

from dioptra_controller.database.engine import Database
from dioptra_controller.database.migrate import upgrade

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


@dataclass(frozen=True)
class PostgresServer:
    """A running server that listens on a Unix socket only."""

    socket_folder: Path

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.socket_folder}"

    def execute(self, statement: str) -> None:
        engine = sqlalchemy.create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(statement))
        engine.dispose()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server of its own; fails, and never skips, where PostgreSQL is not installed."""
    programs = _find_programs()
    # Not below pytest's folder: socket paths are short, and the server's user must get in.
    with tempfile.TemporaryDirectory(prefix="dioptra-pg-") as folder:
        data = Path(folder) / "data"
        prefix: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(folder, "postgres", "postgres")
            prefix = ["runuser", "-u", pwd.getpwnam("postgres").pw_name, "--"]

        def call(program: str, *arguments: str) -> None:
            command = [*prefix, str(programs / program), *arguments]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"

        call(
            "initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8",
            "--locale=C.UTF-8", "--no-sync",
        )  # fmt: skip
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=60"
        log = str(Path(folder) / "log")
        call("pg_ctl", "-D", str(data), "-l", log, "-o", options, "-w", "start")
        try:
            yield PostgresServer(Path(folder))
        finally:
            call("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")


def _find_programs() -> Path:
    if found := shutil.which("initdb"):
        return Path(found).parent
    candidates = [path for place in _PLACES for path in Path("/").glob(place.lstrip("/"))]
    usable = [path for path in sorted(candidates) if (path / "initdb").exists()]
    assert usable, "PostgreSQL is not installed; install it (Debian: apt install postgresql)"
    return usable[-1]


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
