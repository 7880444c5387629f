"""What a store must do for many at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dioptra_ray.store import artifact_key
from dioptra_ray.store.artifacts import ObjectArtifactStore
from tests.contract.store.case import StoreCase, tree


class ConcurrencyContract(StoreCase):
    """Part of `StoreContract`."""

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
