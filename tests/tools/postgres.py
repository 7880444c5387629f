"""A real PostgreSQL server for tests, which can be killed and come back."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


@dataclass(frozen=True)
class PostgresServer:
    """A server that listens on a Unix socket only."""

    socket_folder: Path

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.socket_folder}"

    def execute(self, statement: str) -> None:
        engine = sqlalchemy.create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(statement))
        engine.dispose()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-k {self.socket_folder} -c listen_addresses='' -c fsync=off"
        options += " -c max_connections=60"
        log = str(self.socket_folder / "log")
        self._call("pg_ctl", "-D", str(self._data), "-l", log, "-o", options, "-w", "start")

    def stop(self) -> None:
        """End all of its processes at once, as a crash does."""
        self._call("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")

    def initialize(self) -> None:
        """Make its files."""
        self._call(
            "initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8",
            "--locale=C.UTF-8", "--no-sync",
        )  # fmt: skip

    @property
    def _data(self) -> Path:
        return self.socket_folder / "data"

    def _call(self, program: str, *arguments: str) -> None:
        prefix: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            prefix = ["runuser", "-u", pwd.getpwnam("postgres").pw_name, "--"]
        command = [*prefix, str(_find_programs() / program), *arguments]
        done = subprocess.run(
            command, cwd=self.socket_folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server of its own; fails where PostgreSQL is not installed."""
    # Not below pytest's folder: socket paths are short, and the server's user must get in.
    with tempfile.TemporaryDirectory(prefix="dioptra-pg-") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        server = PostgresServer(Path(folder))
        server.initialize()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _find_programs() -> Path:
    if found := shutil.which("initdb"):
        return Path(found).parent
    candidates = [path for place in _PLACES for path in Path("/").glob(place.lstrip("/"))]
    usable = [path for path in sorted(candidates) if (path / "initdb").exists()]
    assert usable, "PostgreSQL is not installed; install it (Debian: apt install postgresql)"
    return usable[-1]
