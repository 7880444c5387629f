from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from dioptra_controller.artifacts import catalog
from dioptra_controller.database.job_tables import JOBS
from dioptra_ray.errors import NotFoundError, PreconditionError
from dioptra_ray.store import open_store
from tests.integration.registry.conftest import TASKS, WRITER

READING = """\
artifact_inputs:
  given: {text: string}
tasks:
  scale:
    plugin: maths.tasks.scale
    inputs: [{x: any}]
    outputs: {output: number}
graph:
  scaled:
    scale: [$given]
"""


@pytest.fixture
def entrypoint(client):
    files = {"tasks.py": TASKS.encode(), "writers.py": WRITER.encode()}
    client.plugins.put(files, name="maths")
    return client.entrypoints.put("read", READING, plugins=["maths"])


@pytest.fixture
def upload(client, tmp_path):
    def upload(name="a", **given):
        path = tmp_path / f"{name}.txt"
        path.write_text(name)
        return client.artifacts.upload(path, task="maths.writers.Text", **given)

    return upload


@pytest.fixture
def make(controller, tmp_path):
    """Records an artifact that a job has made."""

    def make(job, name):
        path = tmp_path / f"{name}.txt"
        path.write_text(name)
        store = open_store((tmp_path / "store").as_uri())
        manifest = store.put_artifact(f"artifacts/{job.id}/1/{name}", path)
        lineage = catalog.Lineage(
            job_id=job.id,
            entrypoint="read",
            step="scaled",
            output="output",
            task="maths.writers.Text",
            outputs=[("output", "string")],
        )
        made, _ = controller.database.write_now(
            catalog.record,
            name=name,
            key=f"artifacts/{job.id}/1/{name}",
            manifest_json=manifest.to_json(),
            lineage=lineage,
        )
        return made

    return make


def finish(controller, job):
    controller.database.write_now(
        lambda connection: connection.execute(
            JOBS.update().where(JOBS.c.id == job.id).values(state="finished")
        )
    )


@pytest.mark.usefixtures("entrypoint")
def test_descriptions_and_searches(client, upload, run):
    first = upload("first", description="of Monday")
    upload("second")
    assert client.artifacts.get(first.id).description == "of Monday"
    assert [one.name for one in client.artifacts.list(search="MONDAY")] == ["first"]
    assert client.artifacts.describe(first.id, "of Tuesday") is True
    assert client.artifacts.describe(first.id, "of Tuesday") is False
    assert "of Tuesday" in run("artifact", "show", first.id).out
    assert run("artifact", "tag", first.id, "x").out == f"artifact {first.id}: x\n"
    assert "updated" in run("artifact", "update", first.id, "--description", "new").out
    with pytest.raises(NotFoundError):
        client.artifacts.describe(99, "")


@pytest.mark.usefixtures("entrypoint")
def test_the_bytes_of_a_deleted_artifact_are_gone_and_its_row_stays(client, upload, tmp_path):
    stored = upload()
    key = stored.uri.rpartition("/uploads/")[2]
    assert (tmp_path / "store" / "uploads" / key).exists()
    client.artifacts.delete(stored.id)
    assert not [path for path in (tmp_path / "store").rglob("*.txt") if path.is_file()]
    assert client.artifacts.list() == ()
    assert [one.id for one in client.artifacts.list(deleted=True)] == [stored.id]
    assert client.artifacts.get(stored.id).deleted is not None
    with pytest.raises(NotFoundError, match="was deleted"):
        client.artifacts.download(stored.id, tmp_path / "out")
    client.artifacts.delete(stored.id)
    with pytest.raises(NotFoundError):
        client.artifacts.describe(stored.id, "")


@pytest.mark.usefixtures("entrypoint")
def test_bytes_that_could_not_be_deleted_are_deleted_later(client, controller, upload, monkeypatch):
    stored = upload()
    store = controller._store
    real = store.delete_artifact
    monkeypatch.setattr(store, "delete_artifact", lambda _key: (_ for _ in ()).throw(OSError()))
    with pytest.raises(Exception, match="bug"):
        client.artifacts.delete(stored.id)
    gone: list[str] = []
    monkeypatch.setattr(store, "delete_artifact", lambda key: (gone.append(key), real(key)))
    client.artifacts.delete(stored.id)
    client.artifacts.delete(stored.id)
    assert len(gone) == 1


@pytest.mark.usefixtures("entrypoint")
def test_an_artifact_that_a_job_needs_stays(client, controller, upload):
    stored = upload()
    job = client.jobs.submit("read", artifacts={"given": stored.id})
    with pytest.raises(PreconditionError, match=f"input of job {job.id}"):
        client.artifacts.delete(stored.id)
    finish(controller, job)
    client.artifacts.delete(stored.id)
    assert client.jobs.get(job.id).record.artifact_inputs == {"given": stored.id}


@pytest.mark.usefixtures("entrypoint")
def test_lineage_goes_both_ways(client, controller, upload, make, run):
    source = upload("source")
    other = [upload(f"x{n}") for n in range(12)][-1]  # ids that begin with the same digit
    first = client.jobs.submit("read", artifacts={"given": source.id})
    middle = make(first, "middle")
    second = client.jobs.submit("read", artifacts={"given": middle})
    last = make(second, "last")
    client.jobs.submit("read", artifacts={"given": other.id})

    found = client.artifacts.lineage(middle)
    assert [one.id for one in found.artifacts] == [middle, source.id, last]
    assert [one.id for one in found.jobs] == [first.id, second.id]
    assert found.maker(middle).id == first.id
    assert [one.id for one in found.users(middle)] == [second.id]
    assert found.maker(middle).plugins[0].snapshot == 1
    assert not found.truncated
    assert client.artifacts.lineage(last, depth=1).truncated
    assert client.artifacts.lineage(source.id, depth=1).truncated

    finish(controller, first)
    finish(controller, second)
    client.artifacts.delete(source.id)
    client.entrypoints.delete("read")
    shown = run("artifact", "lineage", middle).out
    assert f"made by job {first.id} of read (snapshot 1, deleted), step scaled" in shown
    assert f"given = artifact {source.id} source, deleted" in shown
    assert f"made artifact {last} last" in shown
    tree = run("artifact", "lineage", last, "--format", "json").json
    assert tree["inputs"]["given"]["inputs"]["given"]["id"] == source.id
    used = run("artifact", "lineage", source.id, "--format", "json").json["used_by"]
    assert used[0]["made"][0]["used_by"][0]["made"][0]["id"] == last


@pytest.mark.usefixtures("entrypoint")
def test_sweeps_that_read_an_artifact_are_one_entry(client, upload, run):
    stored = upload()
    text = READING.replace("tasks:", "parameters: {n: 1}\ntasks:", 1)
    client.entrypoints.put("read", text, plugins=["maths"])
    sweep = client.sweeps.submit("read", space={"n": [1, 2, 3]}, artifacts={"given": stored.id})
    found = client.artifacts.lineage(stored.id)
    assert [(one.id, one.parameter) for one in found.sweeps] == [(sweep.id, "given")]
    assert found.jobs == ()
    assert f"sweep {sweep.id} of read" in run("artifact", "lineage", stored.id).out
    with pytest.raises(PreconditionError, match=f"input of sweep {sweep.id}"):
        client.artifacts.delete(stored.id)


def test_an_upload_may_have_no_lineage(client, tmp_path: Path):
    (tmp_path / "plain.txt").write_text("a")
    stored = client.artifacts.upload(tmp_path / "plain.txt")
    found = client.artifacts.lineage(stored.id)
    assert (len(found.artifacts), found.jobs, found.sweeps) == (1, (), ())
    with pytest.raises(NotFoundError):
        client.artifacts.lineage(99)


def test_where_an_artifact_is_shown_to_lie_is_its_file_or_directory(client, run, tmp_path):
    (tmp_path / "my file.txt").write_text("content")
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    (tmp_path / "folder" / "sub" / "a.txt").write_text("inside")
    one = client.artifacts.upload(tmp_path / "my file.txt")
    two = client.artifacts.upload(tmp_path / "folder")
    for found in (client.artifacts.get(one.id), *client.artifacts.list(name=one.name)):
        assert Path(unquote(urlsplit(found.uri).path)).read_text() == "content"
    shown = run("artifact", "show", two.id).out
    (place,) = (line.split(maxsplit=2)[2] for line in shown.splitlines() if "stored at" in line)
    assert (Path(place) / "sub" / "a.txt").read_text() == "inside"
