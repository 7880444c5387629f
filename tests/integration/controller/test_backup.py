"""A controller's database is copied while it works, and put back: nothing but time is lost."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import sqlalchemy as sa

from dioptra_controller.bootstrap import Controller
from dioptra_controller.database.backup import SKIPPED_IDS, back_up, restore
from dioptra_controller.database.engine import Database
from dioptra_controller.database.migrate import upgrade
from dioptra_controller.settings import Settings
from dioptra_ray.api.controller.v1 import experiment_service_pb2 as pb
from dioptra_ray.api.controller.v1 import experiment_service_pb2_grpc as pb_grpc
from dioptra_ray.errors import (
    AlreadyExistsError,
    InvalidRequestError,
    NotFoundError,
    PreconditionError,
)
from tests.tools.postgres import running_postgres

Start = Callable[..., Awaitable[Controller]]


@pytest.fixture
def url(settings: Settings) -> str:
    return settings.database_url.get_secret_value()


async def create(controller: Controller, *names: str) -> None:
    async with grpc.aio.insecure_channel(controller.address) as channel:
        stub = pb_grpc.ExperimentServiceStub(channel)
        for name in names:
            await stub.CreateExperiment(pb.CreateExperimentRequest(name=name))


async def names(controller: Controller) -> list[str]:
    async with grpc.aio.insecure_channel(controller.address) as channel:
        listed = await pb_grpc.ExperimentServiceStub(channel).ListExperiments(
            pb.ListExperimentsRequest(page_size=1000)
        )
        return [experiment.name for experiment in listed.experiments]


def run(settings: Settings, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": ":".join(sys.path),
        "DIOPTRA_DATABASE_URL": settings.database_url.get_secret_value(),
        "DIOPTRA_STORE_URL": settings.store_url,
    }
    command = [sys.executable, "-m", "dioptra_controller", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


async def test_what_was_there_at_the_backup_is_there_after_the_restoration(
    start_controller: Start, settings: Settings, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    first = await start_controller()
    await create(first, "a", "b")
    said = await asyncio.to_thread(run, settings, "backup", str(copy))
    assert said.returncode == 0, said.stderr
    await create(first, "later")
    refused = await asyncio.to_thread(run, settings, "restore", str(copy))
    assert refused.returncode == 2
    assert "in use by process" in refused.stderr
    await first.stop()
    said = await asyncio.to_thread(run, settings, "restore", str(copy))
    assert said.returncode == 0, said.stderr
    assert "before-restore-1" in said.stdout
    second = await start_controller()
    assert await names(second) == ["a", "b", "default"]
    await create(second, "after")


async def test_a_backup_while_others_write_is_of_one_moment(
    start_controller: Start, url: str, tmp_path: Path
) -> None:
    controller = await start_controller()
    writing = asyncio.create_task(create(controller, *(f"e{n:04}" for n in range(150))))
    counts = []
    for number in range(5):
        copy = tmp_path / f"{number}.db"
        await asyncio.to_thread(back_up, url, copy)
        with sqlite3.connect(copy) as connection:
            found = [row[0] for row in connection.execute("SELECT name FROM experiments")]
        connection.close()
        made = sorted(name for name in found if name != "default")
        # Without gaps: what is there was there together.
        assert made == [f"e{n:04}" for n in range(len(made))]
        counts.append(len(made))
    await writing
    assert counts == sorted(counts)


def test_ids_of_after_the_backup_are_not_given_again(url: str, tmp_path: Path) -> None:
    database = Database(url)
    upgrade(database)
    database.write_now(
        lambda connection: connection.execute(
            sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES ('jobs', 41)")
        )
    )
    back_up(url, tmp_path / "copy.db")
    database.close()
    assert restore(url, tmp_path / "copy.db") is not None
    database = Database(url)
    query = sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'")
    assert database.read_now(lambda c: c.execute(query).scalar_one()) == 41 + SKIPPED_IDS
    database.close()


def test_what_cannot_be_copied_is_refused_and_changes_nothing(url: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        back_up(url, tmp_path / "copy.db")
    with pytest.raises(NotFoundError):
        restore(url, tmp_path / "copy.db")
    database = Database(url)
    upgrade(database)
    database.close()
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(AlreadyExistsError):
        back_up(url, tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"
    before = sorted(path.name for path in tmp_path.iterdir())
    sqlite3.connect(tmp_path / "other.db").close()
    for wrong in ("taken", "other.db"):
        with pytest.raises(InvalidRequestError, match="no backup of a controller"):
            restore(url, tmp_path / wrong)
    (tmp_path / "other.db").unlink()
    assert {path.name for path in tmp_path.iterdir()} - set(before) <= {"controller.db.lock"}
    for call in (back_up, restore):
        with pytest.raises(InvalidRequestError, match="pg_dump"):
            call("postgresql+psycopg://me:secret@host/db", tmp_path / "taken2")


def test_a_damaged_copy_is_not_restored(url: str, tmp_path: Path) -> None:
    database = Database(url)
    upgrade(database)
    back_up(url, tmp_path / "copy.db")
    database.close()
    content = bytearray((tmp_path / "copy.db").read_bytes())
    content[4096:12288] = b"\xff" * 8192
    (tmp_path / "copy.db").write_bytes(content)
    before = Path(sa.make_url(url).database or "").read_bytes()
    with pytest.raises((InvalidRequestError, PreconditionError)):
        restore(url, tmp_path / "copy.db")
    assert Path(sa.make_url(url).database or "").read_bytes() == before


async def test_a_dump_of_postgresql_is_restored_as_documented(
    start_controller: Start, settings: Settings, tmp_path: Path
) -> None:
    with running_postgres() as server:

        def use(database: str) -> dict[str, Any]:
            server.execute(f"CREATE DATABASE {database}")
            kind = type(settings.database_url)
            return {"database_url": kind(server.url(database))}

        first = await start_controller(**use("first"))
        await create(first, "a", "b")
        place = ["-h", str(server.socket_folder), "-U", "postgres"]
        dump = str(tmp_path / "dump")
        await asyncio.to_thread(_call, "pg_dump", *place, "-Fc", "-f", dump, "first")
        await create(first, "later")
        await first.stop()
        second_settings = use("second")
        await asyncio.to_thread(_call, "pg_restore", *place, "-d", "second", dump)
        server_url = second_settings["database_url"].get_secret_value()
        skip = "SELECT setval('jobs_id_seq', nextval('jobs_id_seq') + 1000000)"
        engine = sa.create_engine(server_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            assert connection.execute(sa.text(skip)).scalar_one() > 1_000_000
        engine.dispose()
        second = await start_controller(**second_settings)
        assert await names(second) == ["a", "b", "default"]
        await create(second, "after")
        await second.stop()


def _call(name: str, *arguments: str) -> None:
    found = shutil.which(name)
    if found is None:
        (*_, newest) = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
        found = str(newest)
    subprocess.run([found, *arguments], check=True)
