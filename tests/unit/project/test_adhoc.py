from pathlib import Path

import pytest

from dioptra_ray.errors import NotFoundError
from dioptra_ray.project.adhoc import describe_folder

SOURCE = """\
from dioptra import pyplugs
from dioptra.sdk.api.artifact import ArtifactTaskInterface

@pyplugs.register
def f(a: int) -> int: ...

class Store(ArtifactTaskInterface): ...
"""


def test_folders_and_single_modules_are_plugins(tmp_path: Path) -> None:
    for path in ("one/tasks.py", "one/deep/more.py", "alone.py", "not-a-name/tasks.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(SOURCE)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "digits.csv").write_text("")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "tasks.py").write_text("def f(:")
    folder = describe_folder(tmp_path)
    assert [plugin.name for plugin in folder.plugins] == ["alone", "broken", "one"]
    ids = ["alone.f", "one.deep.more.f", "one.tasks.f"]
    assert [task.id for task in folder.function_tasks] == ids
    assert next(task.id for task in folder.artifact_tasks) == "alone.Store"
    (issue,) = folder.issues
    assert (issue.code, issue.file) == ("python.syntax", f"{tmp_path.name}/broken/tasks.py")


def test_files_without_tasks_use_the_plugins_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(SOURCE)
    folder = describe_folder(tmp_path)
    composed = folder.compose("graph:\n  a:\n    f: 1\n  b:\n    f: $a\n", "g.yaml")
    assert composed.issues == ()
    assert composed.description["tasks"]["f"]["plugin"] == "one.f"
    wrong = folder.compose("graph:\n  a:\n    f: one\n", "g.yaml")
    (issue,) = wrong.issues
    assert (issue.code, issue.file, issue.line) == ("arg.positional_mismatch", "g.yaml", 3)


def test_missing_folder_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        describe_folder(tmp_path / "none")


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("asyncio/tasks.py", "asyncio.tasks"),
        ("json/decoder.py", "json.decoder"),
        ("os/path.py", "os.path"),
        ("xml/etree/mine.py", "xml.etree"),
        ("json/__init__.py", "json"),
        ("random.py", "random"),
    ],
)
def test_a_module_that_python_hides_is_an_error(tmp_path: Path, path: str, module: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(SOURCE)
    (issue,) = describe_folder(tmp_path).issues
    assert (issue.severity, issue.code) == ("error", "plugin.hidden")
    assert issue.message.startswith(f"{module} is a module of Python itself")
    assert "rename the plugin or the file" in issue.message


@pytest.mark.parametrize("path", ["asyncio/mine.py", "json/sub/decoder.py", "mine/decoder.py"])
def test_other_modules_of_such_plugins_are_fine(tmp_path: Path, path: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(SOURCE)
    (tmp_path / path).with_name("__init__.py").write_text("")
    assert describe_folder(tmp_path).issues == ()
