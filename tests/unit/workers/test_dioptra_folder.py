"""What a step finds under `.dioptra`."""

import itertools
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dioptra_ray.plugins.activation import PluginSet
from dioptra_workers.stage import dioptra_folder
from dioptra_workers.stage.dioptra_folder import keep_dioptra_folder, write_dioptra_folder
from dioptra_workers.stage.request import JobContext
from dioptra_workers.stage.workspace import remove

Stage = Callable[..., tuple[int, dict[str, Any]]]
ARCHIVES = ("plugins.tar.gz", "serialize.tar.gz")

# Semantics section 7: contents of the directory at the start of a job.
EXPECTED = {
    "args.json",
    "artifacts",
    "deserialize",
    "experiment_schema.json",
    "plugins",
    "plugins.tar.gz",
    "serialize",
    "serialize.tar.gz",
}


def test_it_holds_what_dioptra_puts_there(tmp_path: Path) -> None:
    root = tmp_path / "cache" / "key"
    (root / "maths").mkdir(parents=True)
    (root / "maths" / "tasks.py").write_text("X = 1\n")
    plugin_set = PluginSet(key="key", root=root)
    for number in (1, 2):
        work = tmp_path / f"work{number}"
        (work / ".dioptra" / "artifacts" / "7").mkdir(parents=True)
        write_dioptra_folder(work, plugin_set, JobContext(job_id=number, attempt=1))
        place = work / ".dioptra"
        assert {path.name for path in place.iterdir()} == EXPECTED
        assert json.loads((place / "args.json").read_text())["job_id"] == number
        assert (place / "plugins" / "maths" / "tasks.py").read_text() == "X = 1\n"
        with tarfile.open(place / "serialize.tar.gz") as archive:
            assert "maths/tasks.py" in archive.getnames()
        assert "tasks" in json.loads((place / "experiment_schema.json").read_text())["properties"]
        remove(work)
        assert not work.exists()
    assert (root / "maths" / "tasks.py").exists()


@pytest.fixture
def next_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Runs a stage that does something to its folder; gives the folder as the stage found it."""
    root = tmp_path / "cache" / "key"
    (root / "maths").mkdir(parents=True)
    mask = os.umask(0o022)
    monkeypatch.setattr(dioptra_folder, "_spare", {})
    numbers = itertools.count(1)

    def run(touch: Callable[[Path], object] = lambda _: None) -> tuple[int, dict[str, str]]:
        number = next(numbers)
        work = tmp_path / f"work{number}"
        work.mkdir()
        write_dioptra_folder(
            work, PluginSet(key="key", root=root), JobContext(job_id=number, attempt=1)
        )
        place = work / ".dioptra"
        assert json.loads((place / "args.json").read_text())["job_id"] == number
        found = {path.name: _describe(path) for path in place.iterdir()}
        assert found.pop("args.json") == "file 644"
        identity = place.stat().st_ino
        touch(place)
        keep_dioptra_folder(work)
        remove(work)
        assert not work.exists()
        return identity, found

    yield run
    os.umask(mask)


def _describe(path: Path) -> str:
    mode = f"{path.lstat().st_mode & 0o777:o}"
    if path.is_symlink():
        return f"-> {path.readlink()}"
    return f"file {mode}" if path.is_file() else f"{sorted(path.iterdir())} {mode}"


def test_an_untouched_folder_goes_to_the_next_stage(next_stage: Stage) -> None:
    (first, found), (second, again) = next_stage(), next_stage()
    assert second == first
    assert again == found
    assert set(found) == EXPECTED - {"args.json"}


@pytest.mark.parametrize(
    "touch",
    [
        lambda place: (place / "new").touch(),
        lambda place: (place / "artifacts" / "7").mkdir(),
        lambda place: (place / "deserialize" / "left").touch(),
        lambda place: (place / "plugins").unlink(),
        lambda place: ((place / "plugins").unlink(), (place / "plugins").symlink_to("/tmp")),
        lambda place: (place / "args.json").unlink(),
        lambda place: os.link(
            place / "args.json", place.parent.parent / f"{place.parent.name}.mine"
        ),
        lambda place: (place / "args.json").chmod(0o600),
        lambda place: (place / "artifacts").chmod(0o777),
        lambda place: (place / "deserialize").rmdir(),
        shutil.rmtree,
    ],
)
def test_what_a_stage_has_touched_is_no_other_stages(
    next_stage: Stage, touch: Callable[[Path], object]
) -> None:
    _, found = next_stage()
    next_stage(touch)
    _, again = next_stage()
    assert again == found


def test_a_link_of_the_users_keeps_what_it_showed(next_stage: Stage, tmp_path: Path) -> None:
    next_stage(lambda place: os.link(place / "args.json", tmp_path / "mine"))
    next_stage()
    assert json.loads((tmp_path / "mine").read_text())["job_id"] == 1


def test_a_folder_that_somebody_has_removed_is_made_again(
    next_stage: Stage, tmp_path: Path
) -> None:
    _, found = next_stage()
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache" / "key" / "maths").mkdir(parents=True)
    _, again = next_stage()
    assert again == found
    assert all((tmp_path / "cache" / "key.files" / name).is_file() for name in ARCHIVES)
