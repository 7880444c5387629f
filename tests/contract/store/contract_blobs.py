"""What a store must do with blobs, small and large."""

import hashlib
import io
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from dioptra_ray.errors import (
    ConflictError,
    DataLossError,
    InvalidRequestError,
    NotFoundError,
)
from dioptra_ray.store import scratch_folder, sweep
from dioptra_ray.store.artifacts import ObjectArtifactStore
from dioptra_ray.store.transfer import HashingReader
from tests.contract.store.case import Pattern, StoreCase


class BlobContract(StoreCase):
    """Part of `StoreContract`."""

    def test_blob_comes_back_and_can_be_replaced_and_deleted(
        self, store: ObjectArtifactStore
    ) -> None:
        key = "plugins/abc.tar.gz"
        assert not store.has_blob(key)
        store.put_blob(key, b"one")
        store.put_blob(key, b"two")
        assert store.has_blob(key)
        assert store.get_blob(key) == b"two"
        store.delete_blob(key)
        store.delete_blob(key)
        assert not store.has_blob(key)
        assert self.everything(store) == []

    def test_empty_blob(self, store: ObjectArtifactStore) -> None:
        store.put_blob("empty", b"")
        assert store.has_blob("empty")
        assert store.get_blob("empty") == b""

    def test_large_blob_streams_both_ways(self, store: ObjectArtifactStore) -> None:
        size = 100 << 20
        hashing = HashingReader(Pattern(size))
        while hashing.read(1 << 20):
            pass
        tracemalloc.start()
        try:
            digest = store.put_stream("scratch/7-1/large", Pattern(size), size)
            taken = hashlib.sha256()
            for chunk in store.open_stream("scratch/7-1/large", size=size, digest=digest):
                assert len(chunk) <= 1 << 20
                taken.update(chunk)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert digest == f"sha256:{taken.hexdigest()}" == hashing.digest
        assert peak < 85 << 20
        store.delete_blob("scratch/7-1/large")
        assert self.everything(store) == []

    def test_large_blob_of_nothing(self, store: ObjectArtifactStore) -> None:
        digest = store.put_stream("none", io.BytesIO(), 0)
        assert b"".join(store.open_stream("none", size=0, digest=digest)) == b""

    def test_large_blob_that_ends_early_is_not_stored(self, store: ObjectArtifactStore) -> None:
        with pytest.raises(ConflictError, match="scratch/short"):
            store.put_stream("scratch/short", Pattern(10 << 20), 11 << 20)
        assert not store.has_blob("scratch/short")
        assert self.everything(store) == []

    def test_large_blob_that_changed_is_noticed(self, store: ObjectArtifactStore) -> None:
        digest = store.put_stream("scratch/a", io.BytesIO(b"content"), 7)
        store.put_blob("scratch/a", b"c0ntent")
        with pytest.raises(DataLossError, match="checksum"):
            list(store.open_stream("scratch/a", size=7, digest=digest))
        store.delete_blob("scratch/a")
        with pytest.raises(NotFoundError):
            list(store.open_stream("scratch/a", size=7, digest=digest))

    def test_blobs_are_listed_and_deleted_by_folder(self, store: ObjectArtifactStore) -> None:
        begun = time.time()
        for key in ("scratch/7-1/b", "scratch/7-1/a/x", "scratch/7-10/c", "scratch/8-1/d"):
            store.put_blob(key, key.encode())
        found = list(store.list_blobs("scratch/7-1"))
        assert [(entry.name, entry.size) for entry in found] == [
            ("scratch/7-1/a/x", 15),
            ("scratch/7-1/b", 13),
        ]
        assert all(abs(entry.modified - begun) < 60 for entry in found)
        store.delete_below("scratch/7-1")
        store.delete_below("scratch/7-1")
        assert self.everything(store) == ["scratch/7-10/c", "scratch/8-1/d"]
        assert list(store.list_blobs("scratch/7-1")) == []

    def test_folders_of_dead_attempts_are_swept_after_a_grace(
        self, store: ObjectArtifactStore
    ) -> None:
        store.put_blob(f"{scratch_folder(7, 1)}/left", b"x")
        store.put_blob("plugins/kept", b"x")
        now = time.time()
        assert sweep(store, grace=600, now=now) == []
        assert sweep(store, grace=600, now=now + 1200) == ["scratch/7-1"]
        assert self.everything(store) == ["plugins/kept"]

    @pytest.mark.parametrize(
        "key",
        ["", "/abs", "a/../b", "..", "./a", "a//b", "a/", "a\x00b", "a\\b", "a\nb",
         "manifests/x", ".partial/x", "x" * 2000, "\udcff"],
    )  # fmt: skip
    def test_keys_that_name_no_place_inside(
        self, store: ObjectArtifactStore, source: Path, key: str
    ) -> None:
        calls: list[Any] = [
            lambda: store.put_blob(key, b""),
            lambda: store.get_blob(key),
            lambda: store.has_blob(key),
            lambda: store.delete_blob(key),
            lambda: store.put_artifact(key, source),
            lambda: store.get_artifact(key, source),
            lambda: store.read_manifest(key),
            lambda: store.delete_artifact(key),
        ]
        for call in calls:
            with pytest.raises(InvalidRequestError, match="store key"):
                call()
        assert self.everything(store) == []

    def test_check_may_be_repeated_and_leaves_nothing(self, store: ObjectArtifactStore) -> None:
        store.check()
        store.check()
        assert self.everything(store) == []
