"""What a step finds under `.dioptra`."""

import json
import tarfile
from pathlib import Path

from dioptra_ray.plugins.activation import PluginSet
from dioptra_workers.stage.dioptra_folder import write_dioptra_folder
from dioptra_workers.stage.request import JobContext
from dioptra_workers.stage.workspace import remove

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
