"""What a store must do with artifacts: files and directories that come back as they were."""

import hashlib
import os
import tracemalloc
from pathlib import Path

import pytest

from dioptra_ray.errors import (
    AlreadyExistsError,
    NotFoundError,
)
from dioptra_ray.store import artifact_key
from dioptra_ray.store.artifacts import ObjectArtifactStore
from tests.contract.store.case import KEY, StoreCase, tree

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


class ArtifactContract(StoreCase):
    """Part of `StoreContract`."""

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

    def test_large_file_is_streamed(
        self, store: ObjectArtifactStore, source: Path, tmp_path: Path
    ) -> None:
        size = 100 << 20
        block = os.urandom(1 << 20)
        with (source / "large.bin").open("wb") as file:
            for index in range(100):
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
        assert up < 80 << 20
        assert down < 80 << 20
        assert all(len(chunk) <= 1 << 20 for chunk in store.open_file(KEY, ""))

    def test_destination_that_is_taken(
        self, store: ObjectArtifactStore, source: Path, tmp_path: Path
    ) -> None:
        (source / "f").write_text("theirs")
        store.put_artifact(KEY, source / "f")
        with pytest.raises(AlreadyExistsError):
            store.get_artifact(KEY, source)
        assert (source / "f").read_text() == "theirs"

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
