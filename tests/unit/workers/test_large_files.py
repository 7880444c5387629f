"""Large files that travel between stages: through the store, not through memory."""

import pytest

from dioptra_ray.errors import ConflictError, DataLossError
from dioptra_workers.stage import packing
from dioptra_workers.stage.delta import rehome
from dioptra_workers.stage.scratch import Scratch
from tests.unit.workers.files import found, nothing


def test_large_files_go_through_the_store(job, store, monkeypatch):
    monkeypatch.setattr(packing, "LARGE", 1000)
    job.stage("s0", lambda root: (root / "large").write_bytes(b"x" * 1000))
    (entry,) = job.delta("s0").entries
    assert entry.stored is not None
    assert len(job.delta("s0").content) == 0
    assert [blob.size for blob in store.list_blobs("scratch/7-1")] == [1000]
    root = job.stage("s1", nothing, "s0")
    assert (root / "large").read_bytes() == b"x" * 1000
    assert (root / "large").stat().st_mtime_ns == entry.mtime_ns


def test_many_files_of_some_size_do_not_fill_the_memory(job, monkeypatch):
    monkeypatch.setattr(packing, "SMALL", 10)
    monkeypatch.setattr(packing, "MOST_INLINE", 100)
    job.stage("s0", lambda root: [(root / f"f{n:02}").write_bytes(b"x" * 30) for n in range(9)])
    assert [entry.stored is not None for entry in job.delta("s0").entries] == [False] * 3 + [
        True
    ] * 6
    assert len(found(job.stage("s1", nothing, "s0"))) == 9


def test_a_large_file_that_is_overwritten_is_fetched_once(job, store, monkeypatch):
    monkeypatch.setattr(packing, "LARGE", 1000)
    job.stage("s0", lambda root: (root / "large").write_bytes(b"x" * 1000))
    first = next(iter(store.list_blobs("scratch/7-1"))).name
    job.stage("s1", lambda root: (root / "large").write_bytes(b"y" * 1000), "s0")
    store.delete_blob(first)
    root = job.stage("s2", nothing, "s0", "s1")
    assert (root / "large").read_bytes() == b"y" * 1000


def test_large_files_beside_each_other_are_compared(job, monkeypatch):
    monkeypatch.setattr(packing, "LARGE", 1000)
    for name, content in (("s0", b"x"), ("s1", b"x"), ("s2", b"y")):
        job.stage(name, lambda root, c=content: (root / "large").write_bytes(c * 1000))
    job.stage("s3", nothing, "s0", "s1")
    assert job.warnings == []
    job.stage("s4", nothing, "s0", "s1", "s2")
    assert len(job.warnings) == 1


def test_a_large_file_that_is_gone_is_named(job, store, monkeypatch):
    monkeypatch.setattr(packing, "LARGE", 1000)
    job.stage("s0", lambda root: (root / "large").write_bytes(b"x" * 1000))
    store.delete_below("scratch/7-1")
    with pytest.raises(DataLossError, match=r"large, a large file that s0 \(step s0\) left"):
        job.stage("s1", nothing, "s0")


def test_a_large_file_that_shrinks_meanwhile_is_named(job, monkeypatch):
    monkeypatch.setattr(packing, "LARGE", 1000)

    def shrunk(*_):
        raise ConflictError("scratch/7-1/x cannot be stored: it changed its size meanwhile.")

    monkeypatch.setattr(Scratch, "put_file", shrunk)
    with pytest.raises(ConflictError, match="large became shorter"):
        job.stage("s0", lambda root: (root / "large").write_bytes(b"x" * 1000))


def test_a_delta_can_be_kept_for_longer_than_its_attempt(job, store, monkeypatch):
    monkeypatch.setattr(packing, "LARGE", 1000)

    def first(root):
        (root / "large").write_bytes(b"x" * 1000)
        (root / "small").write_text("small")

    job.stage("s0", first)
    job.stage("s1", nothing, "s0")
    kept = Scratch(store, "saved-stages/7/1/s0")
    assert rehome(job.deltas["s1"], kept) is job.deltas["s1"]
    job.deltas["s0"] = rehome(job.deltas["s0"], kept)
    store.delete_below("scratch/7-1")
    root = job.stage("s2", nothing, "s0")
    assert found(root) == {"large": "x" * 1000, "small": "small"}
