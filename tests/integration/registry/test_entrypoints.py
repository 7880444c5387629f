import pytest

from dioptra_ray.errors import (
    AlreadyExistsError,
    InvalidDescriptionError,
    InvalidRequestError,
    NotFoundError,
    PreconditionError,
)
from tests.integration.registry.conftest import DESCRIPTION, TASKS

NEWER = TASKS.replace("return x * factor", "return factor * x")
WIDER = TASKS.replace("(x: float,", "(x: float, shift: float,")
INVALID = DESCRIPTION.replace("scale: [$x]", "scale: [$y]").replace("parameters: {x: 1.5}\n", "")


@pytest.fixture
def imported(client, project):
    client.import_project(project)
    return project


def put_tasks(client, source):
    return client.plugins.put_file("maths", "tasks.py", source.encode())


@pytest.mark.usefixtures("imported")
def test_a_newer_plugin_snapshot_is_said_and_attached_on_request(client, run):
    assert client.entrypoints.get("scale").outdated == ()
    put_tasks(client, NEWER)
    found = client.entrypoints.get("scale")
    assert [(pin.name, pin.snapshot, pin.newest) for pin in found.outdated] == [("maths", 1, 2)]
    assert run("entrypoint", "list", "--format", "json").json[0]["outdated"] == ["maths"]
    shown = run("entrypoint", "show", "scale")
    assert "snapshot 1, newest 2" in shown.out
    assert "entrypoint sync scale" in shown.err
    synced = client.entrypoints.sync("scale")
    assert (synced.snapshot, synced.plugins[0].snapshot, synced.outdated) == (2, 2, ())
    assert synced.document == found.document
    assert client.entrypoints.sync("scale").snapshot == 2
    assert [one.part for one in client.entrypoints.diff("scale").differences] == ["plugin"]


@pytest.mark.usefixtures("imported")
def test_a_sync_that_no_longer_fits_is_refused_with_all_issues(client, run):
    put_tasks(client, WIDER)
    with pytest.raises(InvalidDescriptionError) as refused:
        client.entrypoints.sync("scale")
    assert [issue.code for issue in refused.value.issues] == ["call.missing_required"]
    assert refused.value.issues[0].file == "scale.yaml"
    assert "call.missing_required" in run("entrypoint", "sync", "scale", fails=1).err
    assert client.entrypoints.get("scale").snapshot == 1


def test_a_self_contained_description_loses_no_task_without_a_word(client, description):
    client.plugins.put({"tasks.py": TASKS.encode()}, name="maths")
    client.entrypoints.put("mine", description, plugins=["maths"])
    put_tasks(client, TASKS.replace("def scale", "def rescale"))
    with pytest.raises(InvalidDescriptionError) as refused:
        client.entrypoints.sync("mine")
    assert [issue.code for issue in refused.value.issues] == ["task.lost"]
    assert "maths.tasks.rescale" in refused.value.issues[0].message


def test_only_the_plugins_that_were_named_are_renewed(client, description):
    for name in ("maths", "other"):
        client.plugins.put({"tasks.py": TASKS.encode()}, name=name)
    client.entrypoints.put("mine", description, plugins=["maths", "other"])
    for name in ("maths", "other"):
        client.plugins.put_file(name, "more.py", b"")
    synced = client.entrypoints.sync("mine", plugins=["other"])
    assert [(pin.name, pin.snapshot) for pin in synced.plugins] == [("maths", 1), ("other", 2)]
    with pytest.raises(InvalidRequestError, match="has no plugin 'math'"):
        client.entrypoints.sync("mine", plugins=["math"])
    client.plugins.delete("maths")
    with pytest.raises(PreconditionError, match="'maths' was deleted"):
        client.entrypoints.sync("mine")
    assert client.entrypoints.get("mine").plugins[0].newest == 0


def test_a_plugin_that_was_made_again_is_the_newer_one(client, description):
    client.plugins.put({"tasks.py": TASKS.encode()}, name="maths")
    client.entrypoints.put("mine", description, plugins=["maths"])
    assert client.plugins.delete("maths") == ("entrypoint 'mine' (snapshot 1)",)
    client.plugins.put({"tasks.py": NEWER.encode()}, name="maths")
    assert [pin.newest for pin in client.entrypoints.get("mine").outdated] == [2]
    assert client.entrypoints.sync("mine").plugins[0].snapshot == 2


def test_jobs_run_what_was_registered_when_they_were_made(client, imported):
    """B7: in Dioptra, changing a type changes what old jobs mean."""
    (imported / "plugins" / "maths" / "pairs.py").write_text(
        "from dioptra import pyplugs\n\n@pyplugs.register\ndef count(pairs: Pairs) -> int: ...\n"
    )
    config = (imported / "dioptra.toml").read_text()
    registered = (
        '[[plugins.tasks.functions]]\nfilename = "pairs.py"\nname = "count"\n'
        'input_params = [{name = "pairs", type = "Pairs", required = true}]\n'
    )
    before, mark, after = config.partition("[[plugin_param_types]]")
    (imported / "dioptra.toml").write_text(before + registered + mark + after)
    with (imported / "scale.yaml").open("a") as graph:
        graph.write("\ngraph_is_above: null\n")
    (imported / "scale.yaml").write_text(
        'graph:\n  scaled:\n    scale: {x: $x}\n  counted:\n    count: {pairs: [["a", 1]]}\n'
    )
    client.import_project(imported)
    pinned = client.entrypoints.get("scale")
    assert pinned.document["types"]["Pairs"] == {"list": {"tuple": ["string", "integer"]}}
    job = client.jobs.submit("scale")
    client.parameter_types.put("Pairs", {"list": "boolean"})
    again = client.entrypoints.get("scale", snapshot=job.record.entrypoint_snapshot)
    assert again == pinned
    assert client.jobs.submit("scale").record.plan_digest == job.record.plan_digest
    with pytest.raises(InvalidDescriptionError) as refused:
        client.entrypoints.sync("scale")
    assert [issue.code for issue in refused.value.issues] == ["arg.keyword_mismatch"]


def test_drafts_are_kept_with_their_issues_and_never_run(client, tmp_path, description):
    file = tmp_path / "draft.yaml"
    file.write_text(INVALID)
    kept = client.entrypoints.drafts.put("mine", file, plugins=["maths"])
    assert [issue.code for issue in kept.issues] == [
        "registration.unknown_plugin",
        "ref.unresolvable@step",
    ]
    with pytest.raises(InvalidDescriptionError) as refused:
        client.jobs.submit("mine")
    assert refused.value.issues == kept.issues
    with pytest.raises(InvalidDescriptionError, match="draft only"):
        client.entrypoints.get("mine")
    assert client.entrypoints.list() == ()
    (listed,) = client.entrypoints.drafts.list()
    assert (listed.name, listed.source) == ("mine", "")
    with pytest.raises(NotFoundError, match="maths"):
        client.entrypoints.drafts.publish("mine")
    client.plugins.put({"tasks.py": TASKS.encode()}, name="maths")
    with pytest.raises(InvalidDescriptionError) as unfit:
        client.entrypoints.drafts.publish("mine")
    assert [issue.code for issue in unfit.value.issues] == ["ref.unresolvable@step"]
    client.entrypoints.drafts.put("mine", description, plugins=["maths"])
    with pytest.raises(PreconditionError, match="publish it first"):
        client.jobs.submit("mine")
    assert client.entrypoints.drafts.publish("mine").snapshot == 1
    assert client.entrypoints.drafts.list() == ()
    assert client.jobs.submit("mine").status == "queued"


@pytest.mark.parametrize("source", ["step1: [", "", "- a\n- b\n", "graph: {a: {b: }}\n", "é\x01"])
def test_any_text_can_be_a_draft(client, source):
    assert client.entrypoints.drafts.put("mine", source).issues
    assert client.entrypoints.drafts.get("mine").source == source


@pytest.mark.usefixtures("imported")
def test_an_entrypoint_runs_on_while_a_draft_of_it_is_written(client):
    client.entrypoints.drafts.put("scale", "graph: [")
    assert client.jobs.submit("scale").status == "queued"


def test_deleted_entrypoints_cannot_run_but_stay_readable(client, imported, run):
    job = client.jobs.submit("scale")
    client.entrypoints.delete("scale")
    with pytest.raises(NotFoundError, match="'scale' was deleted"):
        client.jobs.submit("scale")
    with pytest.raises(NotFoundError):
        client.jobs.submit("scale", snapshot=1)
    assert client.jobs.get(job.id).record.entrypoint == "scale"
    assert client.entrypoints.get("scale", snapshot=1).deleted is not None
    assert "deleted" in run("entrypoint", "show", "scale", "--snapshot", 1).out
    client.import_project(imported)
    assert client.entrypoints.get("scale").snapshot == 2
    assert client.jobs.submit("scale").record.entrypoint_snapshot == 2


@pytest.mark.usefixtures("imported")
def test_create_refuses_a_name_that_is_taken(client, description):
    with pytest.raises(AlreadyExistsError):
        client.entrypoints.create("scale", description)
    with pytest.raises(NotFoundError):
        client.entrypoints.put("sale", description, mode="update")
    assert client.entrypoints.describe("scale", "A product") is True
    assert client.entrypoints.describe("scale", "A product") is False
    found = client.entrypoints.get("scale")
    assert (found.snapshot, found.description, found.plugins[0].snapshot) == (2, "A product", 1)
    assert client.entrypoints.sync("scale").snapshot == 2


def test_the_command_line_does_it_all(run, client, description, tmp_path):
    client.plugins.put({"tasks.py": TASKS.encode()}, name="maths")
    plugin = ("--plugin", "maths")
    assert run("entrypoint", "create", "mine", description, *plugin).out == (
        "entrypoint mine snapshot 1\n"
    )
    run("entrypoint", "create", "mine", description, fails=1)
    description.write_text(DESCRIPTION.replace("1.5", "2.5"))
    assert "snapshot 2" in run("entrypoint", "put", "mine", description, *plugin).out
    shown = run("entrypoint", "diff", "mine").out
    assert "~ parameter x: 1.5 -> 2.5" in shown
    assert "-parameters: {x: 1.5}" in shown
    assert len(run("entrypoint", "history", "mine", "--format", "json").json) == 2
    bad = tmp_path / "bad.yaml"
    bad.write_text(INVALID)
    assert "1 error" in run("entrypoint", "put", "bad", bad, "--draft").out
    assert run("entrypoint", "list", "--drafts", "--format", "json").json[0]["name"] == "bad"
    assert "bad" in run("entrypoint", "list", "--drafts").out
    assert "ref.unresolvable" in run("entrypoint", "draft", "show", "bad").out
    assert "$y" in run("entrypoint", "draft", "show", "bad", "--source").out
    assert "ref.unresolvable" in run("entrypoint", "draft", "publish", "bad", fails=1).err
    assert "ref.unresolvable" in run("job", "submit", "bad", fails=1).err
    run("entrypoint", "draft", "delete", "bad")
    run("entrypoint", "draft", "show", "bad", fails=3)
    run("entrypoint", "delete", "mine")
    assert run("entrypoint", "list", "--deleted", "--format", "json").json[0]["name"] == "mine"
