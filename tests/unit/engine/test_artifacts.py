"""Calling artifact tasks."""
# ruff: noqa: ARG004 - the interface has more than these tasks need

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dioptra_ray.artifact import ArtifactTaskInterface
from dioptra_ray.engine import (
    ArtifactFailedError,
    JobCancelledError,
    argument_schema,
    read_artifact,
)


class Text(ArtifactTaskInterface):
    @staticmethod
    def serialize(working_dir: Path, name: str, contents: Any, **kwargs: Any) -> Path:
        path = working_dir / f"{name}.txt"
        path.write_text(f"{contents} {kwargs}")
        return path

    @staticmethod
    def deserialize(working_dir: Path, path: str, **kwargs: Any) -> Any:
        assert not kwargs
        return (working_dir / path).read_text()

    @staticmethod
    def validation() -> dict[str, Any]:
        return {"suffix": {"type": "string"}}


class Odd(ArtifactTaskInterface):
    """What it does is what its contents say."""

    @staticmethod
    def serialize(working_dir: Path, name: str, contents: Any, **kwargs: Any) -> Any:
        return contents()

    @staticmethod
    def deserialize(working_dir: Path, path: str, **kwargs: Any) -> Any:
        raise SystemExit(4)


class NotOne:
    pass


@pytest.fixture(autouse=True)
def _module() -> Iterator[None]:
    module = sys.modules["made_up_artifacts"] = ModuleType("made_up_artifacts")
    for task in (Text, Odd, NotOne):
        setattr(module, task.__name__, task)
    yield
    del sys.modules["made_up_artifacts"]


TASKS = {name: f"made_up_artifacts.{name}" for name in ("Text", "Odd", "NotOne", "Missing")}
TASKS |= {"Elsewhere": "no_such_module_at_all.Text", "Bare": "Text"}


def writing(task: str, contents: str, args: Any = None) -> dict[str, Any]:
    output = {"contents": contents, "task": {"name": task}}
    if args is not None:
        output["task"]["args"] = args
    return {"tasks": {}, "graph": {}, "artifact_outputs": {"out": output}}


@pytest.mark.parametrize(
    ("contents", "text"),
    [("$p", "7 {}"), ("$s", "8 {}"), ("$a", "9 {}"), ("plain", "plain {}"), ("$$p", "$p {}")],
)
def test_contents_are_resolved(execution, tmp_path, contents, text) -> None:
    run = execution(
        writing("Text", contents),
        parameters={"p": 7},
        artifacts={"a": {"x": 9}},
        artifact_tasks=TASKS,
    )
    run.outputs["s"] = {"v": 8}
    assert run.write_artifact("out") == tmp_path / "out.txt"
    assert (tmp_path / "out.txt").read_text() == text


def test_args_are_passed_as_they_are(execution, tmp_path) -> None:
    run = execution(
        writing("Text", "x", {"ref": "$p", "escape": "$$p"}),
        parameters={"p": 7},
        artifact_tasks=TASKS,
    )
    run.write_artifact("out")
    assert (tmp_path / "out.txt").read_text() == "x {'ref': '$p', 'escape': '$$p'}"


def test_a_relative_path_is_below_the_working_directory_and_links_stay(execution, tmp_path) -> None:
    (tmp_path / "real").write_text("")
    (tmp_path / "link").symlink_to("real")
    run = execution(writing("Odd", "$p"), parameters={"p": lambda: Path("link")})
    run._artifact_tasks = TASKS
    assert run.write_artifact("out") == tmp_path / "link"


@pytest.mark.parametrize(
    ("task", "contents", "error_type"),
    [
        ("Unknown", None, "ArtifactTaskNotFoundError"),
        ("Missing", None, "ArtifactTaskNotFoundError"),
        ("NotOne", None, "ArtifactTaskNotFoundError"),
        ("Elsewhere", None, "ArtifactTaskNotFoundError"),
        ("Bare", None, "ArtifactTaskNotFoundError"),
        ("Odd", lambda: "text", "TypeError"),
        ("Odd", lambda: Path("missing"), "FileNotFoundError"),
        ("Odd", lambda: sys.exit(2), "SystemExit"),
    ],
)
def test_failures_to_write(execution, task, contents, error_type) -> None:
    run = execution(writing(task, "$p"), parameters={"p": contents}, artifact_tasks=TASKS)
    run.outputs["s"] = {"v": 1}
    with pytest.raises(ArtifactFailedError, match="'out' cannot be written") as caught:
        run.write_artifact("out")
    failure = caught.value
    assert (failure.artifact, failure.step, failure.error_type) == ("out", None, error_type)
    assert failure.steps == {"s": {"v": 1}}


def test_cancellation_passes(execution) -> None:
    def cancel() -> None:
        raise JobCancelledError

    run = execution(writing("Odd", "$p"), parameters={"p": cancel}, artifact_tasks=TASKS)
    with pytest.raises(JobCancelledError):
        run.write_artifact("out")


def test_one_output_takes_the_whole_value_and_several_share_it(tmp_path) -> None:
    (tmp_path / "f").write_text("ab")
    read = {
        names: read_artifact(TASKS["Text"], working_dir=tmp_path, path="f", output_names=names)
        for names in (("x",), ("x", "y"))
    }
    assert read == {("x",): {"x": "ab"}, ("x", "y"): {"x": "a", "y": "b"}}


@pytest.mark.parametrize(
    ("task", "error_type"),
    [
        ("Odd", "SystemExit"),
        ("Missing", "ArtifactTaskNotFoundError"),
        ("Text", "FileNotFoundError"),
    ],
)
def test_failures_to_read(tmp_path, task, error_type) -> None:
    with pytest.raises(ArtifactFailedError, match="'in' cannot be read") as caught:
        read_artifact(TASKS[task], working_dir=tmp_path, path="none", output_names=["x"], name="in")
    assert (caught.value.artifact, caught.value.step) == ("in", "artifacts.in")
    assert caught.value.error_type == error_type


def test_schemas() -> None:
    assert argument_schema(TASKS["Text"]) == {"suffix": {"type": "string"}}
    assert argument_schema(TASKS["Odd"]) is None
