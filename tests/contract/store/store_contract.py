"""What every artifact store must do, whatever holds its bytes."""

import hashlib
import io
import os
import random
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import pytest

from dioptra_ray.errors import (
    AlreadyExistsError,
    ConflictError,
    DataLossError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from dioptra_ray.store import artifact_key, scratch_folder, sweep
from dioptra_ray.store.artifacts import ObjectArtifactStore
from dioptra_ray.store.transfer import HashingReader

KEY = artifact_key(7, 1, "model")
ODD_NAMES = [
    "größe ✓ 模型.txt",
    "with space.csv",
    "per%cent%2F.txt",
    "plus+and&question?#hash.txt",
    "new\nline\ttab\x01.txt",
    "back\\slash",
    "-dash",
    ".hidden",
    "..twodots",
    "quote'\"<>`$x",
    " trailing ",
    "manifest.json",
    "~",
]


class Pattern:
    """A stream of so many bytes, that takes little memory; no two MiB of it are alike."""

    block = random.Random(7).randbytes((1 << 20) - 1)

    def __init__(self, size: int) -> None:
        self._size = size
        self._place = 0

    def read(self, size: int = -1, /) -> bytes:
        left = self._size - self._place
        wanted = left if size < 0 else min(size, left)
        begin = self._place % len(self.block)
        self._place += wanted
        return (self.block * (2 + wanted // len(self.block)))[begin : begin + wanted]


def tree(root: Path) -> dict[str, bytes | None]:
    """All files with content, and directories with None, by path."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
    }


class StoreContract:
    """Subclasses give the fixture `store`."""

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        path = tmp_path / "source"
        path.mkdir()
        return path

    def everything(self, store: ObjectArtifactStore) -> list[str]:
        """Names of all stored objects, ours included."""
        return list(store._objects.names(""))

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
        assert peak < 60 << 20
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

    def test_missing_keys(self, store: ObjectArtifactStore, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match="plugins/none"):
            store.get_blob("plugins/none")
        with pytest.raises(NotFoundError):
            store.read_manifest(KEY)
        with pytest.raises(NotFoundError):
            store.get_artifact(KEY, tmp_path / "out")
        with pytest.raises(NotFoundError):
            store.open_file(KEY, "")
        store.delete_artifact(KEY)
        assert list(store.list_artifacts("")) == []

    def test_single_file(self, store: ObjectArtifactStore, source: Path, tmp_path: Path) -> None:
        (source / "model.pt").write_bytes(b"weights")
        manifest = store.put_artifact(KEY, source / "model.pt")
        assert manifest == store.read_manifest(KEY)
        assert not manifest.is_directory
        assert manifest.basename == "model.pt"
        assert manifest.size == 7
        assert manifest.digest == f"sha256:{hashlib.sha256(b'weights').hexdigest()}"
        assert [file.path for file in manifest.files] == ["model.pt"]
        assert store.get_artifact(KEY, tmp_path / "out") == tmp_path / "out" / "model.pt"
        assert (tmp_path / "out" / "model.pt").read_bytes() == b"weights"
        assert b"".join(store.open_file(KEY, "")) == b"weights"
        assert b"".join(store.open_file(KEY, "model.pt")) == b"weights"
        with pytest.raises(NotFoundError, match="other"):
            store.open_file(KEY, "other.pt")

    def test_directory_with_sub_directories_and_empty_files(
        self, store: ObjectArtifactStore, source: Path, tmp_path: Path
    ) -> None:
        for path in ("a.txt", "sub/b.csv", "sub/deep/er/c.bin", "sub/empty.txt"):
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes(b"" if "empty" in path else path.encode())
        (source / "hollow" / "inside").mkdir(parents=True)
        manifest = store.put_artifact(KEY, source)
        assert [file.path for file in manifest.files] == sorted(
            ["a.txt", "sub/b.csv", "sub/deep/er/c.bin", "sub/empty.txt"]
        )
        assert manifest.directories == ("hollow/inside",)
        assert manifest.file("sub/b.csv").media_type == "text/csv"  # type: ignore[union-attr]
        got = store.get_artifact(KEY, tmp_path / "out")
        assert got == tmp_path / "out" / "source"
        assert tree(got) == tree(source)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["source"]
        assert b"".join(store.open_file(KEY, "sub/empty.txt")) == b""

    def test_empty_directory(
        self, store: ObjectArtifactStore, source: Path, tmp_path: Path
    ) -> None:
        manifest = store.put_artifact(KEY, source)
        assert manifest.is_directory
        assert manifest.files == ()
        assert list(store.get_artifact(KEY, tmp_path / "out").iterdir()) == []

    def test_odd_names(self, store: ObjectArtifactStore, source: Path, tmp_path: Path) -> None:
        (source / "dir é%\n").mkdir()
        for name in ODD_NAMES:
            (source / name).write_text(name)
            (source / "dir é%\n" / name).write_text(name * 2)
        store.put_artifact(KEY, source)
        assert tree(store.get_artifact(KEY, tmp_path / "out")) == tree(source)
        for name in ODD_NAMES:
            assert b"".join(store.open_file(KEY, name)).decode() == name
        store.delete_artifact(KEY)
        assert self.everything(store) == []

    @pytest.mark.parametrize("name", ["métrique finale", "a%2Fb", "x?y#z", "a+b=c,d"])
    def test_odd_keys(self, store: ObjectArtifactStore, source: Path, name: str) -> None:
        (source / "f").write_text(name)
        key = artifact_key(1, 1, name)
        store.put_artifact(key, source / "f")
        assert list(store.list_artifacts("artifacts/1/")) == [key]
        assert b"".join(store.open_file(key, "f")).decode() == name
        store.delete_artifact(key)
        assert self.everything(store) == []

    def test_links_are_followed(
        self, store: ObjectArtifactStore, source: Path, tmp_path: Path
    ) -> None:
        (source / "real").mkdir()
        (source / "real" / "f.txt").write_text("content")
        (source / "to_file").symlink_to("real/f.txt")
        (source / "to_directory").symlink_to("real")
        (tmp_path / "link").symlink_to(source)
        manifest = store.put_artifact(KEY, tmp_path / "link")
        assert manifest.basename == "link"
        assert {file.path for file in manifest.files} == {
            "real/f.txt",
            "to_file",
            "to_directory/f.txt",
        }
        got = store.get_artifact(KEY, tmp_path / "out")
        assert (got / "to_directory" / "f.txt").read_text() == "content"
        single = artifact_key(7, 1, "single")
        assert not store.put_artifact(single, source / "to_file").is_directory
        assert b"".join(store.open_file(single, "to_file")) == b"content"

    def test_what_cannot_be_stored_leaves_nothing(
        self, store: ObjectArtifactStore, source: Path
    ) -> None:
        (source / "good").write_text("x")
        with pytest.raises(InvalidRequestError, match="does not exist"):
            store.put_artifact(KEY, source / "missing")
        (source / "dangling").symlink_to("nowhere")
        with pytest.raises(InvalidRequestError, match="leads nowhere"):
            store.put_artifact(KEY, source)
        (source / "dangling").unlink()
        os.mkfifo(source / "pipe")
        with pytest.raises(InvalidRequestError, match="special file"):
            store.put_artifact(KEY, source)
        (source / "pipe").unlink()
        (source / "loop").symlink_to(source)
        with pytest.raises(InvalidRequestError, match="holds it"):
            store.put_artifact(KEY, source)
        (source / "loop").unlink()
        (source / os.fsdecode(b"latin-\xe9")).write_text("x")
        with pytest.raises(InvalidRequestError, match="Unicode"):
            store.put_artifact(KEY, source)
        assert self.everything(store) == []

    def test_large_file_is_streamed(
        self, store: ObjectArtifactStore, source: Path, tmp_path: Path
    ) -> None:
        size = 40 << 20
        block = os.urandom(1 << 20)
        with (source / "large.bin").open("wb") as file:
            for index in range(40):
                file.write(bytes([index]) + block[1:])
        tracemalloc.start()
        try:
            manifest = store.put_artifact(KEY, source / "large.bin")
            up = tracemalloc.get_traced_memory()[1]
            tracemalloc.reset_peak()
            got = store.get_artifact(KEY, tmp_path / "out")
            down = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert manifest.size == size
        with (source / "large.bin").open("rb") as one, got.open("rb") as other:
            assert hashlib.file_digest(one, "sha256").digest() == (
                hashlib.file_digest(other, "sha256").digest()
            )
        assert up < 34 << 20
        assert down < 8 << 20
        assert all(len(chunk) <= 1 << 20 for chunk in store.open_file(KEY, ""))

    def test_corrupted_bytes_are_data_loss(
        self, store: ObjectArtifactStore, source: Path, tmp_path: Path
    ) -> None:
        (source / "a.txt").write_bytes(b"good")
        (source / "b.txt").write_bytes(b"good")
        store.put_artifact(KEY, source)
        victim = next(name for name in self.everything(store) if name.endswith("b.txt"))
        store._objects.write(victim, b"evil")
        with pytest.raises(DataLossError, match=r"'b\.txt'.*checksum") as caught:
            store.get_artifact(KEY, tmp_path / "out")
        assert caught.value.metadata["path"] == "b.txt"
        assert list((tmp_path / "out").iterdir()) == []
        chunks = store.open_file(KEY, "b.txt")
        assert next(chunks) == b"evil"
        with pytest.raises(DataLossError):
            next(chunks)
        assert b"".join(store.open_file(KEY, "a.txt")) == b"good"
        store._objects.delete(victim)
        with pytest.raises(DataLossError, match="gone"):
            b"".join(store.open_file(KEY, "b.txt"))

    @pytest.mark.parametrize(
        "damage",
        [b"", b"{", b"[]", b'{"folder": "elsewhere/x", "manifest": {}}', b'"x"', b"\xff"],
    )
    def test_damaged_manifest_is_data_loss(
        self, store: ObjectArtifactStore, source: Path, damage: bytes
    ) -> None:
        store.put_artifact(KEY, source)
        store._objects.write(f"manifests/{KEY}.json", damage)
        with pytest.raises(DataLossError, match="damaged"):
            store.read_manifest(KEY)

    def test_manifest_with_a_path_outside_is_data_loss(
        self, store: ObjectArtifactStore, source: Path, tmp_path: Path
    ) -> None:
        (source / "inside.txt").write_text("x")
        store.put_artifact(KEY, source)
        name = f"manifests/{KEY}.json"
        content = store._objects.read(name)
        assert content is not None
        store._objects.write(name, content.replace(b"inside.txt", b"../out.txt"))
        with pytest.raises(DataLossError, match="damaged"):
            store.get_artifact(KEY, tmp_path / "out")

    def test_interrupted_upload_leaves_nothing_visible(
        self, store: ObjectArtifactStore, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("a", "b", "c"):
            (source / name).write_text(name)
        write = store._objects.write_stream

        def fail_at_c(name: str, content: IO[bytes], size: int) -> None:
            if name.endswith("/c"):
                raise UnavailableError("the cable was pulled")
            write(name, content, size)

        monkeypatch.setattr(store._objects, "write_stream", fail_at_c)
        with pytest.raises(UnavailableError, match="cable"):
            store.put_artifact(KEY, source)
        with pytest.raises(NotFoundError):
            store.read_manifest(KEY)
        assert list(store.list_artifacts("")) == []
        assert self.everything(store) == []

    def test_interrupted_replacement_leaves_the_earlier_artifact(
        self,
        store: ObjectArtifactStore,
        source: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        (source / "a").write_text("old")
        earlier = store.put_artifact(KEY, source)
        (source / "a").write_text("new")
        before = self.everything(store)

        def fail(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(store._objects, "write", fail)
            with pytest.raises(KeyboardInterrupt):
                store.put_artifact(KEY, source)
        assert store.read_manifest(KEY) == earlier
        assert (store.get_artifact(KEY, tmp_path / "one") / "a").read_text() == "old"
        assert self.everything(store) == before
        store.put_artifact(KEY, source)
        assert (store.get_artifact(KEY, tmp_path / "two") / "a").read_text() == "new"
        assert len(self.everything(store)) == len(before)

    def test_file_that_shrinks_while_it_is_stored(
        self, store: ObjectArtifactStore, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (source / "log").write_text("x" * 100)
        write = store._objects.write_stream

        def truncate_first(name: str, content: Any, size: int) -> None:
            os.truncate(source / "log", 10)
            write(name, content, size)

        monkeypatch.setattr(store._objects, "write_stream", truncate_first)
        with pytest.raises(ConflictError, match="changed while"):
            store.put_artifact(KEY, source)
        assert self.everything(store) == []

    def test_destination_that_is_taken(
        self, store: ObjectArtifactStore, source: Path, tmp_path: Path
    ) -> None:
        (source / "f").write_text("theirs")
        store.put_artifact(KEY, source / "f")
        with pytest.raises(AlreadyExistsError):
            store.get_artifact(KEY, source)
        assert (source / "f").read_text() == "theirs"

    def test_concurrent_puts_of_different_keys(
        self, store: ObjectArtifactStore, source: Path, tmp_path: Path
    ) -> None:
        keys = [artifact_key(job, 1, "out") for job in range(8)]
        for index in range(8):
            folder = source / str(index)
            folder.mkdir()
            for number in range(5):
                (folder / f"{number}.txt").write_text(f"{index}-{number}")
        together = threading.Barrier(8)

        def put(index: int) -> None:
            together.wait(30)
            store.put_artifact(keys[index], source / str(index))
            store.put_blob(f"blobs/{index}", b"x" * index)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, range(8)))
        assert list(store.list_artifacts("")) == sorted(keys)
        for index, key in enumerate(keys):
            got = store.get_artifact(key, tmp_path / "out" / str(index))
            assert tree(got) == tree(source / str(index))
            assert store.get_blob(f"blobs/{index}") == b"x" * index

    def test_deleting_beside_writing(self, store: ObjectArtifactStore, source: Path) -> None:
        (source / "f").write_text("x")
        together = threading.Barrier(4)

        def put_and_delete(worker: int) -> None:
            together.wait(30)
            for turn in range(5):
                key = artifact_key(1, turn, f"w{worker}")
                store.put_artifact(key, source / "f")
                store.delete_artifact(key)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(put_and_delete, range(4)))
        assert self.everything(store) == []

    def test_listing_and_deleting(self, store: ObjectArtifactStore, source: Path) -> None:
        (source / "f").write_text("x")
        keys = [artifact_key(job, 1, name) for job in (1, 10, 2) for name in ("a", "b")]
        for key in keys:
            store.put_artifact(key, source)
        assert list(store.list_artifacts()) == sorted(keys)
        assert list(store.list_artifacts("artifacts/1/")) == [k for k in keys if "/1/1/" in k]
        assert list(store.list_artifacts("artifacts/1")) == sorted(keys[:4])
        store.delete_artifact(keys[0])
        assert list(store.list_artifacts("artifacts/1/")) == [keys[1]]
        with pytest.raises(NotFoundError):
            store.read_manifest(keys[0])

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
