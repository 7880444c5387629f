"""Files and payloads in the store's scratch space."""

import os
import tracemalloc

import numpy as np
import pytest

from dioptra_ray.errors import DataLossError, NotFoundError, UnavailableError
from dioptra_ray.store import open_store, scratch_folder
from dioptra_workers.stage import patience
from dioptra_workers.stage.payload import dump, load
from dioptra_workers.stage.scratch import Scratch

MIB = 1 << 20


@pytest.fixture
def store(tmp_path):
    store = open_store(f"file://{tmp_path}/store")
    store.check()
    return store


@pytest.fixture
def scratch(store):
    return Scratch(store, scratch_folder(7, 1))


def test_a_file_comes_back_and_lies_below_its_attempt(scratch, store, tmp_path):
    (tmp_path / "model").write_bytes(b"weights")
    stored = scratch.put_file(tmp_path / "model")
    assert stored.content.key.startswith("scratch/7-1/")
    assert [entry.name for entry in store.list_blobs("scratch/7-1")] == [stored.content.key]
    scratch.get_file(stored, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == b"weights"


def test_a_large_file_takes_little_memory(scratch, tmp_path):
    content = np.random.default_rng(1).bytes(8 * MIB)
    with (tmp_path / "large").open("wb") as file:
        for _ in range(16):
            file.write(content)
    tracemalloc.start()
    try:
        stored = scratch.put_file(tmp_path / "large")
        scratch.get_file(stored, tmp_path / "again")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB
    with (tmp_path / "large").open("rb") as one, (tmp_path / "again").open("rb") as other:
        while piece := one.read(MIB):
            assert other.read(MIB) == piece
        assert other.read(1) == b""


def test_holes_of_a_file_are_neither_stored_nor_filled(scratch, tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(1000 * MIB)
        file.write(b"middle")
        file.truncate(3000 * MIB)
    stored = scratch.put_file(tmp_path / "sparse")
    assert stored.content.size < MIB
    scratch.get_file(stored, tmp_path / "again")
    status = (tmp_path / "again").stat()
    assert status.st_size == 3000 * MIB
    assert status.st_blocks * 512 < MIB
    with (tmp_path / "again").open("rb") as file:
        assert file.read(6) == b"begin\0"
        assert os.pread(file.fileno(), 7, 1000 * MIB) == b"middle\0"


@pytest.mark.parametrize("size", [0, 5000])
def test_a_file_of_nothing_but_a_hole(scratch, tmp_path, size):
    with (tmp_path / "file").open("wb") as file:
        file.truncate(size)
    scratch.get_file(scratch.put_file(tmp_path / "file"), tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == bytes(size)


def test_a_file_that_was_damaged_is_not_left(scratch, store, tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    stored = scratch.put_file(tmp_path / "file")
    store.put_blob(stored.content.key, b"damaged")
    with pytest.raises(DataLossError, match="checksum"):
        scratch.get_file(stored, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    store.delete_below("scratch/7-1")
    with pytest.raises(NotFoundError):
        scratch.get_file(stored, tmp_path / "again")


def test_payloads_come_back_with_their_buffers(scratch):
    value = {"array": np.arange(300_000.0), "more": (np.ones(3), None, "text"), "none": np.ones(0)}
    loaded = load(scratch.get_payload(scratch.put_payload(dump(value))))
    assert (loaded["array"] == value["array"]).all()
    loaded["array"][0] = 1
    assert loaded["more"][1:] == (None, "text")
    assert loaded["none"].shape == (0,)


def test_a_store_that_comes_back_is_waited_for(scratch, store, tmp_path, monkeypatch):
    monkeypatch.setattr(patience, "STORE_PAUSES", (0, 0))
    put, tries = store.put_stream, []

    def put_stream(key, content, size):
        if len(tries) < 2:
            tries.append(content.read(3))
            raise UnavailableError("Not now.")
        return put(key, content, size)

    monkeypatch.setattr(store, "put_stream", put_stream)
    (tmp_path / "file").write_bytes(b"content")
    stored = scratch.put_file(tmp_path / "file")
    assert tries == [b"con", b"con"]
    scratch.get_file(stored, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == b"content"
