"""What the parts of the contract share."""

import random
from pathlib import Path

import pytest

from dioptra_ray.store import artifact_key
from dioptra_ray.store.artifacts import ObjectArtifactStore

KEY = artifact_key(7, 1, "model")


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


class StoreCase:
    """Subclasses give the fixture `store`."""

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        path = tmp_path / "source"
        path.mkdir()
        return path

    def everything(self, store: ObjectArtifactStore) -> list[str]:
        """Names of all stored objects, ours included."""
        return list(store._objects.names(""))
