"""The artifact store in a directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dioptra_ray.errors import InvalidRequestError, UnavailableError
from dioptra_ray.store import open_store
from dioptra_ray.store.artifacts import ObjectArtifactStore
from tests.contract.store.case import KEY
from tests.contract.store.store_contract import StoreContract

_INTERRUPTED = """
import os, sys
from pathlib import Path
from dioptra_ray.store import open_store
from dioptra_ray.store.directory import DirectoryObjects
write = DirectoryObjects.write
def die_at_b(self, name, content, **options):
    if name.endswith("/b"):
        os._exit(9)
    write(self, name, content, **options)
DirectoryObjects.write = die_at_b
open_store(sys.argv[1]).put_artifact(sys.argv[2], Path(sys.argv[3]))
"""


class TestDirectoryStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectArtifactStore:
        made = open_store((tmp_path / "the store é").as_uri())
        made.check()
        assert isinstance(made, ObjectArtifactStore)
        return made

    def test_url(self, store: ObjectArtifactStore, tmp_path: Path) -> None:
        assert store.url == (tmp_path / "the store é").as_uri()

    def test_process_that_dies_while_storing_leaves_nothing_visible(
        self, store: ObjectArtifactStore, source: Path
    ) -> None:
        for name in ("a", "b"):
            (source / name).write_text(name)
        code = [sys.executable, "-c", _INTERRUPTED, store.url, KEY, str(source)]
        assert subprocess.run(code, check=False).returncode == 9
        assert list(store.list_artifacts()) == []
        assert [name for name in self.everything(store) if name.endswith("/a")]
        store.delete_artifact(KEY)
        assert self.everything(store) == []

    def test_check_clears_old_partial_files_only(
        self, store: ObjectArtifactStore, tmp_path: Path
    ) -> None:
        partial = tmp_path / "the store é" / ".partial"
        partial.mkdir(exist_ok=True)
        for name in ("old", "new"):
            (partial / name).write_text(name)
        os.utime(partial / "old", (1, 1))
        store.check()
        assert [path.name for path in partial.iterdir()] == ["new"]


def test_path_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InvalidRequestError, match="not a directory"):
            open_store(path.as_uri()).check()


def test_file_in_the_way_of_a_folder_is_explained(tmp_path: Path) -> None:
    store = open_store((tmp_path / "store").as_uri())
    store.put_blob("a", b"file")
    with pytest.raises(UnavailableError, match="does not work"):
        store.put_blob("a/b", b"below")
