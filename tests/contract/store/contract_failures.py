"""What a store must do when something is wrong: with the source, the bytes, or the way there."""

import os
from pathlib import Path
from typing import Any

import pytest

from dioptra_ray.errors import (
    ConflictError,
    DataLossError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from dioptra_ray.store.artifacts import ObjectArtifactStore
from tests.contract.store.case import KEY, StoreCase


class FailureContract(StoreCase):
    """Part of `StoreContract`."""

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
        write = store._objects.write

        def fail_at_c(name: str, content: bytes, **options: str) -> None:
            if name.endswith("/c"):
                raise UnavailableError("the cable was pulled")
            write(name, content, **options)

        monkeypatch.setattr(store._objects, "write", fail_at_c)
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

        write = store._objects.write

        def fail(name: str, content: bytes, **options: str) -> None:
            if name.startswith("manifests/"):
                raise KeyboardInterrupt
            write(name, content, **options)

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
        (source / "log").write_bytes(b"x" * (20 << 20))
        write = store._objects.write_stream

        def truncate_first(name: str, content: Any, size: int, **options: str) -> None:
            os.truncate(source / "log", 10 << 20)
            write(name, content, size, **options)

        monkeypatch.setattr(store._objects, "write_stream", truncate_first)
        with pytest.raises(ConflictError, match="changed while"):
            store.put_artifact(KEY, source)
        assert self.everything(store) == []
