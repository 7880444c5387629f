"""`init`: what it makes works as it is, and it overwrites nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from dioptra_ray.client.project import read_project_files
from dioptra_ray.project import read_project


def test_a_new_project_validates_runs_and_passes_its_own_test(run, tmp_path: Path) -> None:
    folder = tmp_path / "my-first project"
    made = run("init", folder)
    assert made.code == 0, made.err
    assert "plugins/my_first_project/tasks.py" in made.out
    entrypoint = folder / "entrypoints" / "summarize.yaml"
    assert run("validate", entrypoint).out == f"{entrypoint}: valid\n"
    assert run("plan", entrypoint).code == 0
    ran = run("run", "--local", entrypoint, "-P", "count=3", "--format", "json")
    assert ran.code == 0, ran.err
    assert list(ran.json["artifacts"]) == ["report"]
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder / "tests"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout


def test_what_is_registered_is_what_the_source_says(run, tmp_path: Path) -> None:
    run("init", tmp_path / "study", "--name", "study")
    found = read_project_files(tmp_path / "study")
    project = read_project(found.files, found.config_path)
    assert project.warnings == ()
    (plugin,) = project.plugins
    assert [task.id for task in plugin.function_tasks] == [
        "study.tasks.draw_samples",
        "study.tasks.summarize",
    ]
    assert [task.id for task in plugin.artifact_tasks] == ["study.tasks.JsonArtifactTask"]


def test_a_folder_that_holds_something_is_left_alone(run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    made = run("init", tmp_path, "--name", "study")
    assert made.code == 1
    assert "notes.txt" in made.err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_repository_may_be_filled(run, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert run("init", tmp_path, "--name", "study", "--format", "json").json["project"] == "study"


@pytest.mark.parametrize("name", ["1", "", "...", 'a"b', "a\nb", "x" * 61, "\\ab"])
def test_names_that_cannot_be_imported_are_refused(run, tmp_path: Path, name: str) -> None:
    folder = tmp_path / ("x" if name else "9")
    made = run("init", folder, *(["--name", name] if name else []))
    assert made.code == 1
    assert "--name" in made.err
    assert not folder.exists()


@pytest.mark.parametrize("name", ["json", "class"])
def test_names_that_would_hide_modules_are_changed(run, tmp_path: Path, name: str) -> None:
    run("init", tmp_path / "x", "--name", name)
    assert (tmp_path / "x" / "plugins" / f"{name}_tasks" / "tasks.py").is_file()
