import datetime as dt

from dioptra_controller.registry.differences import Change, diff_plugins, diff_types
from dioptra_controller.registry.parameter_types import ParameterType
from dioptra_controller.registry.plugins import PluginSnapshot
from dioptra_ray.project.model import ArtifactTask, FunctionTask, TaskInput, TaskOutput

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def snapshot(*tasks, artifacts=()):
    return PluginSnapshot(
        id=1,
        name="p",
        number=1,
        description="",
        digest="sha256:a",
        files=(),
        function_tasks=tasks,
        artifact_tasks=tuple(artifacts),
        create_time=NOW,
    )


def function(**fields):
    return FunctionTask(id="p.t.f", name="f", file="t.py", **{"line": 1, **fields})


def files_diff(old, new):
    return diff_plugins(snapshot(), snapshot(), old, new)


def test_equal_snapshots_do_not_differ():
    assert files_diff({"a.py": b"x\n"}, {"a.py": b"x\n"}) == []
    assert diff_plugins(snapshot(function()), snapshot(function(line=9)), {}, {}) == []


def test_texts_are_compared_line_by_line_with_their_ends():
    (found,) = files_diff({"a.py": b"one\ntwo\n"}, {"a.py": b"one\ntwo"})
    assert found.change is Change.CHANGED
    assert found.unified == (
        "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n one\n-two\n+two\n\\ No newline at end of file\n"
    )


def test_new_and_lost_files_come_from_nowhere_and_go_there():
    lost, new = files_diff({"a.py": b"1\n"}, {"b.py": b"2\n"})
    assert (lost.name, lost.change) == ("a.py", Change.REMOVED)
    assert "+++ /dev/null" in lost.unified
    assert (new.name, new.change) == ("b.py", Change.ADDED)
    assert "--- /dev/null" in new.unified


def test_files_that_are_no_text_show_their_sizes():
    (found,) = files_diff({"a.bin": b"\xff"}, {"a.bin": b"\xff\xfe"})
    assert (found.before, found.after, found.unified) == ("1 bytes", "2 bytes", "")


def test_tasks_differ_by_how_they_are_called():
    old = function(inputs=(TaskInput(name="x", type="number"),))
    new = function(
        inputs=(
            TaskInput(name="x", type="number"),
            TaskInput(name="y", type="string", required=False),
        ),
        outputs=(TaskOutput(name="output", type="any"),),
    )
    writer = ArtifactTask(id="p.t.W", name="W", file="t.py", line=1, argument_schema={"a": {}})
    task, artifact = diff_plugins(snapshot(old), snapshot(new, artifacts=[writer]), {}, {})
    assert (task.before, task.after) == (
        "(x: number) -> ()",
        "(x: number, y?: string) -> (output: any)",
    )
    assert (artifact.part, artifact.after) == ("artifact_task", '-> () with {"a": {}}')


def test_types_differ_by_structure_and_description():
    old = ParameterType(name="t", structure=None)
    new = ParameterType(name="t", structure={"list": "any"}, description="d")
    found = [(one.part, one.before, one.after) for one in diff_types(old, new)]
    assert found == [("description", "", "d"), ("structure", "null", '{"list": "any"}')]
