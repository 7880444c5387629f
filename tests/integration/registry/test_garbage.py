"""Garbage in the store: what is found, what is left alone, and that it is deleted."""

import asyncio
import datetime as dt
import os
import time
from pathlib import Path

import pytest

from dioptra_controller.artifacts import collector as collector_module
from dioptra_controller.artifacts.collector import Collector
from dioptra_controller.database.job_tables import JOBS
from dioptra_controller.registry import plugins
from dioptra_ray.errors import InvalidRequestError, NotFoundError, PreconditionError
from dioptra_ray.store import artifact_key, open_store, scratch_folder
from tests.integration.registry.conftest import DESCRIPTION, TASKS


@pytest.fixture
def store(tmp_path: Path):
    return open_store((tmp_path / "store").as_uri())


@pytest.fixture
def age(tmp_path: Path):
    """Makes everything in the store old."""

    def age(seconds: float = 3 * 86400) -> None:
        then = time.time() - seconds
        for path in (tmp_path / "store").rglob("*"):
            if path.is_file():
                os.utime(path, (then, then))

    return age


@pytest.fixture
def job(client):
    client.plugins.put({"tasks.py": TASKS.encode()}, name="maths")
    client.entrypoints.put("scale", DESCRIPTION, plugins=["maths"])
    return client.jobs.submit("scale")


def change(controller, job, **values) -> None:
    controller.database.write_now(
        lambda connection: connection.execute(
            JOBS.update().where(JOBS.c.id == job.id).values(**values)
        )
    )


@pytest.fixture
def running(controller, job):
    change(controller, job, state="started", attempt=2)
    return job


@pytest.fixture
def failed(controller, job):
    change(controller, job, state="failed", attempt=2)
    return job


def keys(found) -> list[str]:
    return [one.key for one in found.garbage]


def test_what_is_needed_stays(client, store, running, age, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    kept = client.artifacts.upload(tmp_path / "mine.txt")
    job = running
    store.put_artifact(artifact_key(job.id, 2, "coming"), tmp_path / "mine.txt")
    store.put_blob(f"{scratch_folder(job.id, 2)}/alive", b"")
    store.put_blob("saved-stages/1/1/s0/index", b"")
    store.put_blob("somebody/elses", b"")
    age()
    found = client.artifacts.collect_garbage()
    assert (found.count, found.size, found.garbage) == (0, 0, ())
    assert b"".join(client.artifacts.open(kept.id)) == b"mine"
    assert list(store.list_artifacts("artifacts/")) == [artifact_key(job.id, 2, "coming")]
    assert store.has_blob("saved-stages/1/1/s0/index")
    assert store.has_blob("somebody/elses")
    assert len(list(store.list_blobs("plugins"))) == 1


def test_what_nobody_needs_goes(client, store, failed, age, tmp_path):
    (tmp_path / "f").write_bytes(b"12345")
    job = failed
    lost = artifact_key(job.id, 1, "lost")
    store.put_artifact(lost, tmp_path / "f")
    late = artifact_key(job.id, 1, "late", try_number=2)
    store.put_artifact(late, tmp_path / "f")
    store.put_artifact("uploads/0123", tmp_path / "f")
    store.put_blob(f"{scratch_folder(job.id, 2)}/a", b"123")
    store.put_blob(f"{scratch_folder(job.id, 2)}/b", b"4")
    bundle = f"plugins/{'0' * 64}.tar.gz"
    store.put_blob(bundle, b"x")
    (tmp_path / "store" / ".partial").mkdir(exist_ok=True)
    (tmp_path / "store" / ".partial" / "0a1b").write_bytes(b"ha")
    age()
    before = store.read_manifest(lost)
    dry = client.artifacts.collect_garbage(dry_run=True)
    assert store.read_manifest(lost) == before
    reasons = {one.key.rpartition("/")[0]: one.reason for one in dry.garbage}
    assert reasons[lost] == f"never became an artifact: attempt 1 of job {job.id}, which is over"
    assert reasons[late] == reasons[lost]
    assert reasons["uploads/0123"] == "an upload that never became an artifact"
    assert reasons["scratch"] == f"scratch space of attempt 2 of job {job.id}, which is over"
    assert reasons["plugins"] == "a plugin that was never registered"
    assert reasons[""] == "an upload that was never finished"
    scratch = next(one for one in dry.garbage if one.key.startswith("scratch"))
    assert (scratch.objects, scratch.size) == (2, 4)
    done = client.artifacts.collect_garbage()
    assert (keys(done), done.count) == (keys(dry), 9)
    assert list(store.list_artifacts()) == []
    assert not store.has_blob(bundle)
    assert not (tmp_path / "store" / ".partial" / "0a1b").exists()
    assert client.artifacts.collect_garbage().count == 0


def test_what_is_young_stays(client, store, age, tmp_path):
    (tmp_path / "f").write_bytes(b"12345")
    store.put_artifact("uploads/0123", tmp_path / "f")
    age(2 * 3600)
    assert client.artifacts.collect_garbage().count == 0
    assert client.artifacts.collect_garbage(grace=dt.timedelta(hours=3)).count == 0
    with pytest.raises(InvalidRequestError, match="an hour or more"):
        client.artifacts.collect_garbage(grace=dt.timedelta(minutes=59))
    assert client.artifacts.collect_garbage(grace=dt.timedelta(hours=1)).count == 2


def test_jobs_of_another_database_are_not_judged(client, store, job, age, tmp_path):
    (tmp_path / "f").write_bytes(b"12345")
    store.put_artifact(artifact_key(job.id + 1, 1, "theirs"), tmp_path / "f")
    store.put_blob(f"{scratch_folder(job.id + 1, 1)}/a", b"")
    age()
    assert client.artifacts.collect_garbage().count == 0


def test_a_store_belongs_to_the_first_who_collects(client, store, age, tmp_path):
    (tmp_path / "f").write_bytes(b"12345")
    assert store.claim("another database") == "another database"
    store.put_artifact("uploads/0123", tmp_path / "f")
    age()
    with pytest.raises(PreconditionError, match="belongs to another database"):
        client.artifacts.collect_garbage()
    assert client.artifacts.collect_garbage(dry_run=True).count == 2
    assert list(store.list_artifacts()) == ["uploads/0123"]


def test_an_earlier_upload_of_an_artifact_goes(client, store, age, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    kept = client.artifacts.upload(tmp_path / "mine.txt")
    key = next(store.list_artifacts())
    (tmp_path / "store" / key / "0123").mkdir()
    (tmp_path / "store" / key / "0123" / "half").write_text("mi")
    age()
    found = client.artifacts.collect_garbage()
    assert keys(found) == [f"{key}/0123"]
    assert b"".join(client.artifacts.open(kept.id)) == b"mine"


def test_bytes_of_deleted_artifacts_go(client, store, age, tmp_path, monkeypatch):
    (tmp_path / "mine.txt").write_text("mine")
    made = client.artifacts.upload(tmp_path / "mine.txt")
    with monkeypatch.context() as patch:
        # As when the controller dies in between.
        patch.setattr("dioptra_controller.artifacts.deletion.find_unpurged", lambda *_: None)
        client.artifacts.delete(made.id)
    assert list(store.list_artifacts()) != []
    age()
    found = client.artifacts.collect_garbage()
    assert {one.reason for one in found.garbage} == {"an artifact that was deleted"}
    assert list(store.list_artifacts()) == []


def test_a_plugin_that_is_registered_meanwhile_keeps_its_bundle(client, store, age, monkeypatch):
    files = {"tasks.py": TASKS.encode()}
    client.plugins.put(files, name="first")
    bundle = next(store.list_blobs("plugins")).name
    content = store.get_blob(bundle)
    other = {"tasks.py": TASKS.replace("2.0", "3.0").encode()}
    client.plugins.put(other, name="second")
    second = next(b.name for b in store.list_blobs("plugins") if b.name != bundle)
    age()
    judged = collector_module.garbage.judge

    def everything(connection, batch, folder_of):
        # As if both had been registered only after this look at the database.
        bundles = [one for one in batch if one.key.startswith("plugins/")]
        return judged(connection, [], folder_of) + [
            collector_module.Garbage(stored=one, reason="too early") for one in bundles
        ]

    monkeypatch.setattr(collector_module.garbage, "judge", everything)
    assert client.artifacts.collect_garbage().count == 0
    assert store.get_blob(bundle) == content
    assert store.has_blob(second)


def test_a_bundle_that_was_just_collected_is_put_back(client, store, monkeypatch):
    files = {"tasks.py": TASKS.encode()}
    put = plugins.put

    def collected_meanwhile(connection, plugin, digest, **options):
        for blob in list(store.list_blobs("plugins")):
            store.delete_blob(blob.name)
        return put(connection, plugin, digest, **options)

    monkeypatch.setattr(plugins, "put", collected_meanwhile)
    client.plugins.put(files, name="first")
    assert len(list(store.list_blobs("plugins"))) == 1


def test_it_is_collected_from_time_to_time(controller, store, age, tmp_path):
    (tmp_path / "f").write_bytes(b"12345")
    store.put_artifact("uploads/0123", tmp_path / "f")
    age()
    remove = store.remove

    async def run() -> None:
        gone, loop = asyncio.Event(), asyncio.get_running_loop()

        def remove_and_tell(stored) -> None:
            remove(stored)
            if not list(store.list_artifacts()):
                loop.call_soon_threadsafe(gone.set)

        store.remove = remove_and_tell
        made = Collector(
            controller.database,
            store,
            grace=dt.timedelta(hours=1),
            now=lambda: dt.datetime.now(dt.UTC),
        )
        made.start(dt.timedelta(milliseconds=1))
        await asyncio.wait_for(gone.wait(), 60)
        await made.stop()

    asyncio.run(run())
    with pytest.raises(NotFoundError):
        store.read_manifest("uploads/0123")


def test_on_the_command_line(run, store, age, tmp_path):
    (tmp_path / "f").write_bytes(b"12345")
    store.put_artifact("uploads/0123", tmp_path / "f")
    age()
    shown = run("artifact", "gc", "--dry-run").out
    assert "an upload that never became an artifact" in shown
    assert "2 things" in shown
    assert "would be deleted" in shown
    told = run("artifact", "gc", "--dry-run", "--format", "json").json
    assert told["count"] == 2
    assert told["garbage"][0]["reason"]
    assert "0 things, 0 B, deleted." in run("artifact", "gc", "--grace", "100").out
    assert "2 things" in run("artifact", "gc", "--grace", "48").out
    assert list(store.list_artifacts()) == []
