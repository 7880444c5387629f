import json

import pytest

from dioptra_ray.errors import InvalidRequestError, NotFoundError, PreconditionError
from tests.integration.registry.conftest import TASKS


@pytest.fixture
def entrypoint(client, description):
    client.plugins.put({"tasks.py": TASKS.encode()}, name="maths")
    return client.entrypoints.put("scale", description, plugins=["maths"])


@pytest.mark.parametrize("kind", ["experiments", "queues"])
def test_namespaces_have_a_history(client, kind):
    part = getattr(client, kind)
    part.create("mine", description="one")
    assert part.describe("mine", "two") is True
    assert part.describe("mine", "two") is False
    assert (part.get("mine").snapshot, part.get("mine").description) == (2, "two")
    (found,) = part.diff("mine").differences
    assert (found.before, found.after) == ("one", "two")
    part.delete("mine")
    with pytest.raises(NotFoundError, match="was deleted"):
        part.get("mine")
    assert [one.name for one in part.list()] == ["default"]
    assert [one.name for one in part.list(deleted=True)] == ["mine"]
    assert part.create("mine").snapshot == 3
    assert [one.snapshot for one in part.history("mine")] == [3, 2, 1]
    with pytest.raises(PreconditionError, match="always exists"):
        part.delete("default")
    part.describe("default", "the usual one")
    assert part.get("default").snapshot == 2


@pytest.mark.usefixtures("entrypoint")
def test_a_queue_with_waiting_jobs_stays(client, run):
    client.queues.create("gpu")
    job = client.jobs.submit("scale", queue="gpu")
    with pytest.raises(PreconditionError, match="1 waiting"):
        client.queues.delete("gpu")
    assert "1 waiting" in run("queue", "delete", "gpu", fails=1).err
    assert client.queues.get("gpu").queued_jobs == 1
    client.jobs.cancel(job.id)
    client.queues.delete("gpu")
    assert client.jobs.get(job.id).record.queue == "gpu"


@pytest.mark.usefixtures("entrypoint")
def test_jobs_of_a_deleted_experiment_stay(client):
    client.experiments.create("old")
    job = client.jobs.submit("scale", experiment="old")
    assert client.jobs.get(job.id).record.deleted == ()
    client.experiments.delete("old")
    assert client.jobs.get(job.id).record.deleted == ("experiment",)
    client.entrypoints.delete("scale")
    assert client.jobs.get(job.id).record.deleted == ("entrypoint", "experiment")
    assert [one.id for one in client.jobs.list(experiment="old")] == [job.id]


@pytest.mark.usefixtures("entrypoint")
def test_nothing_new_goes_to_what_was_deleted(client):
    client.queues.create("old")
    before = client.jobs.submit("scale", queue="old")
    client.jobs.cancel(before.id)
    client.queues.delete("old")
    with pytest.raises(NotFoundError, match="queue 'old' was deleted"):
        client.jobs.retry(before.id)
    with pytest.raises(NotFoundError, match="queue 'old' was deleted"):
        client.jobs.submit("scale", queue="old")


@pytest.mark.usefixtures("entrypoint")
def test_tags_are_on_anything_and_find_it_again(client, tmp_path, run):
    (tmp_path / "a.txt").write_text("a")
    artifact = client.artifacts.upload(tmp_path / "a.txt")
    job = client.jobs.submit("scale")
    client.parameter_types.put("Pairs")
    things = [
        ("plugin", "maths"),
        ("parameter_type", "Pairs"),
        ("entrypoint", "scale"),
        ("experiment", "default"),
        ("queue", "default"),
        ("artifact", str(artifact.id)),
        ("job", str(job.id)),
    ]
    for kind, name in things:
        assert client.tags.update(kind, name, ["b", "a", "a"]) == ("a", "b")
    found = [(one.kind, one.name) for one in client.tags.find("a")]
    assert found == sorted(things)
    assert [(one.name, one.resources) for one in client.tags.list()] == [("a", 7), ("b", 7)]
    assert client.plugins.get("maths").tags == ("a", "b")
    assert client.entrypoints.get("scale").tags == ("a", "b")
    assert client.queues.get("default").tags == ("a", "b")
    assert client.artifacts.get(artifact.id).tags == ("a", "b")
    assert [one.id for one in client.artifacts.list(tag="b")] == [artifact.id]
    assert client.experiments.tag("default", remove=["a", "c"]) == ("b",)
    client.plugins.delete("maths")
    assert len(client.tags.find("a")) == 5
    assert run("tag", "show", "b", "--format", "json").json[0]["kind"] == "artifact"
    assert "entrypoint scale: a, b, c" in run("tag", "add", "entrypoint", "scale", "c").out
    assert "entrypoint scale: b, c" in run("tag", "remove", "entrypoint", "scale", "a").out
    assert run("tag", "list", "--search", "c", "--format", "json").json == [
        {"name": "c", "resources": 1}
    ]


@pytest.mark.parametrize(
    ("kind", "name", "error"),
    [
        ("plugin", "nowhere", NotFoundError),
        ("artifact", "7", NotFoundError),
        ("artifact", "x", InvalidRequestError),
        ("job", "7", NotFoundError),
        ("job", "9" * 30, InvalidRequestError),
    ],
)
def test_what_is_not_there_has_no_tags(client, kind, name, error):
    with pytest.raises(error):
        client.tags.update(kind, name, ["a"])


@pytest.mark.parametrize("tags", [[""], [" a"], ["a\0"], [f"t{n}" for n in range(101)]])
def test_tags_are_bounded_words(client, tags):
    with pytest.raises(InvalidRequestError):
        client.queues.tag("default", tags)
    assert client.queues.get("default").tags == ()


def test_a_tag_cannot_come_and_go_at_once(client):
    with pytest.raises(InvalidRequestError, match="both"):
        client.queues.tag("default", ["a"], remove=["a"])


def test_commands_of_queues_and_experiments(run):
    for kind in ("queue", "experiment"):
        run(kind, "create", "mine", "--description", "one")
        assert "updated" in run(kind, "update", "mine", "--description", "two").out
        assert json.loads(run(kind, "list", "--sort", "newest", "--format", "json").out)[0] == (
            json.loads(run(kind, "show", "mine", "--format", "json").out)
        )
        assert "two" in run(kind, "history", "mine").out
        assert "~ description: one -> two" in run(kind, "diff", "mine").out
        assert run(kind, "tag", "mine", "x").out == f"{kind} mine: x\n"
        assert run(kind, "delete", "mine").out == f"{kind} mine deleted\n"
        run(kind, "show", "mine", fails=3)
