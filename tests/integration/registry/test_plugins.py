import pytest

from dioptra_ray.api.controller.v1 import plugin_service_pb2 as pb
from dioptra_ray.errors import (
    AlreadyExistsError,
    InvalidDescriptionError,
    InvalidRequestError,
    NotFoundError,
    PreconditionError,
)
from tests.integration.registry.conftest import TASKS

HELPERS = "from dioptra import pyplugs\n\n@pyplugs.register\ndef halve(x: int) -> float: ...\n"


@pytest.fixture
def maths(client):
    return client.plugins.put({"tasks.py": TASKS.encode()}, name="maths")


@pytest.mark.usefixtures("maths")
def test_create_and_update_say_what_is_there(client):
    files = {"tasks.py": b""}
    with pytest.raises(AlreadyExistsError, match="'maths' already"):
        client.plugins.create(files, name="maths")
    with pytest.raises(NotFoundError, match="did you mean 'maths'"):
        client.plugins.put(files, name="math", mode="update")
    assert client.plugins.create(files, name="other").snapshot == 1
    assert client.plugins.put(files, name="maths", mode="update").snapshot == 2


@pytest.mark.usefixtures("maths")
def test_each_change_of_a_file_makes_a_snapshot_and_keeps_the_others(client):
    added = client.plugins.put_file("maths", "more/halves.py", HELPERS.encode())
    assert added.snapshot == 2
    assert [path for path, _ in added.files] == ["more/halves.py", "tasks.py"]
    ids = [task.id for task in added.function_tasks]
    assert ids == ["maths.more.halves.halve", "maths.tasks.scale"]
    same = client.plugins.put_file("maths", "more/halves.py", HELPERS.encode())
    assert same.snapshot == 2
    assert client.plugins.get_file("maths", "more/halves.py") == HELPERS.encode()
    less = client.plugins.delete_file("maths", "tasks.py")
    assert (less.snapshot, [task.name for task in less.function_tasks]) == (3, ["halve"])
    assert client.plugins.get_file("maths", "tasks.py", snapshot=1) == TASKS.encode()


@pytest.mark.usefixtures("maths")
def test_files_that_cannot_be_are_refused(client):
    with pytest.raises(NotFoundError, match=r"[Dd]id you mean 'tasks.py'"):
        client.plugins.get_file("maths", "task.py")
    with pytest.raises(InvalidRequestError, match="no path of a Python module"):
        client.plugins.put_file("maths", "../tasks.py", b"")
    with pytest.raises(InvalidDescriptionError) as refused:
        client.plugins.put_file("maths", "broken.py", b"def (:")
    assert refused.value.issues[0].code == "python.syntax"
    with pytest.raises(PreconditionError, match="only file"):
        client.plugins.delete_file("maths", "tasks.py")
    with pytest.raises(AlreadyExistsError):
        client.plugins.put_file("maths", "tasks.py", b"", mode="create")
    with pytest.raises(NotFoundError):
        client.plugins.put_file("maths", "new.py", b"", mode="update")
    assert client.plugins.get("maths").snapshot == 1


def test_tasks_registered_otherwise_survive_a_change_of_another_file(client, run, project):
    config = (project / "dioptra.toml").read_text()
    registered = '[[plugins.tasks.functions]]\nfilename = "tasks.py"\nname = "scale"\n'
    registered += 'output_params = [{name = "product", type = "number"}]\nnum_gpus = 1\n'
    before, mark, after = config.partition("[[plugin_param_types]]")
    (project / "dioptra.toml").write_text(before + registered + mark + after)
    run("import", project)
    changed = client.plugins.put_file("maths", "more.py", b"")
    (task,) = changed.function_tasks
    assert [output.name for output in task.outputs] == ["product"]


@pytest.mark.usefixtures("maths")
def test_tasks_of_all_plugins_are_listed_in_pages(client):
    client.plugins.put({"tasks.py": HELPERS.encode()}, name="halves")
    found = [(one.task.id, one.kind) for one in client.plugins.tasks()]
    assert found == [("halves.tasks.halve", "function"), ("maths.tasks.scale", "function")]
    assert [one.plugin for one in client.plugins.tasks(search="SCALE")] == ["maths"]
    assert [one.plugin for one in client.plugins.tasks(plugin="halves")] == ["halves"]
    assert client.plugins.tasks(limit=1)[0].plugin == "halves"
    with pytest.raises(NotFoundError):
        client.plugins.tasks(plugin="nowhere")


@pytest.mark.usefixtures("maths")
def test_a_deleted_plugin_keeps_its_history_and_its_name_can_be_used_again(client, run):
    client.plugins.put_file("maths", "more.py", b"")
    client.plugins.tag("maths", ["numbers"])
    assert client.plugins.delete("maths") == ()
    with pytest.raises(NotFoundError, match="was deleted"):
        client.plugins.get("maths")
    with pytest.raises(NotFoundError):
        client.plugins.delete("maths")
    assert client.plugins.list() == ()
    assert [one.name for one in client.plugins.list(deleted=True)] == ["maths"]
    assert client.plugins.get("maths", snapshot=1).deleted is not None
    assert client.plugins.get_file("maths", "tasks.py", snapshot=1) == TASKS.encode()
    again = client.plugins.put({"tasks.py": TASKS.encode()}, name="maths")
    assert (again.snapshot, again.tags, again.deleted) == (3, (), None)
    history = client.plugins.history("maths")
    assert [(one.snapshot, one.deleted is None) for one in history] == [
        (3, True),
        (2, False),
        (1, False),
    ]
    assert "3" in run("plugin", "history", "maths").out


@pytest.mark.usefixtures("maths")
def test_differences_of_two_snapshots(client, run):
    client.plugins.put_file("maths", "tasks.py", TASKS.replace("2.0", "3.0").encode())
    client.plugins.put_file("maths", "halves.py", HELPERS.encode())
    client.plugins.describe("maths", "Numbers")
    found = client.plugins.diff("maths", 1, 4)
    parts = [(one.part, one.name, one.change) for one in found.differences]
    assert parts == [
        ("description", "", "changed"),
        ("function_task", "maths.halves.halve", "added"),
        ("file", "halves.py", "added"),
        ("file", "tasks.py", "changed"),
    ]
    text = found.differences[-1].unified
    assert "-def scale(x: float, factor: float = 2.0) -> float:" in text
    assert "+def scale(x: float, factor: float = 3.0) -> float:" in text
    assert found.differences[1].after == "(x: integer) -> (output: number)"
    newest = client.plugins.diff("maths")
    assert (newest.old, newest.new) == (3, 4)
    assert [one.part for one in newest.differences] == ["description"]
    shown = run("plugin", "diff", "maths", "1", "4").out
    assert "+ function_task maths.halves.halve: (x: integer) -> (output: number)" in shown
    assert "--- a/tasks.py" in shown
    with pytest.raises(NotFoundError):
        client.plugins.diff("maths", 1, 9)


def test_lists_are_searched_sorted_and_paged(client):
    for name in ("b", "c", "a"):
        client.plugins.put({"t.py": b""}, name=name, description=f"about {name}")
    client.plugins.tag("a", ["x"])
    client.plugins.tag("c", ["x", "y"])

    def names(**query):
        return [one.name for one in client.plugins.list(**query)]

    assert names() == ["a", "b", "c"]
    assert names(order_by="name desc") == ["c", "b", "a"]
    assert names(order_by="create_time") == ["b", "c", "a"]
    assert names(order_by="create_time desc", limit=2) == ["a", "c"]
    assert names(search="ABOUT B") == ["b"]
    assert names(tag="x") == ["a", "c"]
    with pytest.raises(InvalidRequestError, match="order_by"):
        names(order_by="size")


def test_pages_follow_each_other_in_every_order(client):
    for name in "dacbe":
        client.plugins.put({"t.py": b""}, name=name)
    for order, expected in (
        ("name", "abcde"),
        ("name desc", "edcba"),
        ("create_time", "dacbe"),
        ("create_time desc", "ebcad"),
    ):
        seen, token = "", ""
        while True:
            request = pb.ListPluginsRequest(page_size=2, page_token=token, order_by=order)
            page = client.plugins._stub.ListPlugins(request)
            seen += "".join(one.name for one in page.plugins)
            token = page.next_page_token
            if not token:
                break
        assert seen == expected, order


def test_the_command_line_does_it_all(run, project):
    folder = project / "plugins" / "maths"
    assert run("plugin", "create", folder, "--format", "json").json["snapshot"] == 1
    run("plugin", "create", folder, fails=1)
    assert "snapshot 1" in run("plugin", "put", folder).out
    assert run("plugin", "files", "maths", "--format", "json").json[0]["path"] == "tasks.py"
    assert "def scale" in run("plugin", "file", "get", "maths", "tasks.py").out
    more = project / "more.py"
    more.write_text(HELPERS)
    assert "snapshot 2" in run("plugin", "file", "put", "maths", more).out
    assert "halve" in run("task", "list").out
    listed = run("task", "list", "--plugin", "maths", "--format", "json").json
    assert [one["kind"] for one in listed] == ["function", "function", "artifact"]
    assert "snapshot 3" in run("plugin", "file", "delete", "maths", "more.py").out
    assert "updated" in run("plugin", "update", "maths", "--description", "Numbers").out
    assert "Numbers" in run("plugin", "list", "--search", "numbers").out
    assert run("plugin", "tag", "maths", "a", "b").out == "plugin maths: a, b\n"
    assert run("plugin", "tag", "maths", "--remove", "a", "--format", "json").json["tags"] == ["b"]
    assert run("plugin", "delete", "maths", "--format", "json").json["deleted"] is True
    run("plugin", "show", "maths", fails=3)
    assert run("plugin", "show", "maths", "--snapshot", 4).out.count("deleted") == 1
