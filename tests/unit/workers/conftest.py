"""A job whose stages leave each other files."""

import pytest

from dioptra_ray.store import open_store, scratch_folder
from dioptra_workers.stage.scratch import Scratch
from tests.unit.workers.files import Job


@pytest.fixture
def store(tmp_path):
    store = open_store(f"file://{tmp_path}/store")
    store.check()
    return store


@pytest.fixture
def job(tmp_path, store):
    (tmp_path / "stages").mkdir()
    return Job(tmp_path / "stages", Scratch(store, scratch_folder(7, 1)))
