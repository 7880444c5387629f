"""What failed jobs keep in the store for a retry: one folder for each finished stage.

Everything of a stage is written before its index; a folder without one is of no use.
"""

from collections.abc import Iterator

from dioptra_ray.store.keys import check_key
from dioptra_ray.store.protocol import ArtifactStore

_FOLDER = "saved-stages"
_DEPTH = 4


def saved_stage_folder(job_id: int, attempt: int, stage: str) -> str:
    """Where everything of one stage lies."""
    return check_key(f"{_FOLDER}/{job_id}/{attempt}/{stage}")


def write_index(store: ArtifactStore, folder: str, content: bytes) -> None:
    """Say that the folder is complete, and what is in it."""
    store.put_blob(_index(folder), content)


def read_index(store: ArtifactStore, folder: str) -> bytes:
    """What `write_index` wrote.

    Raises:
        NotFoundError: The stage is not there, or not complete.
    """
    return store.get_blob(_index(folder))


def is_saved(store: ArtifactStore, folder: str) -> bool:
    """Whether the stage is there, and complete."""
    return store.has_blob(_index(folder))


def list_saved(store: ArtifactStore) -> Iterator[tuple[int, str]]:
    """The folders of all stages, complete or not, with the job that made each."""
    last = ""
    for blob in store.list_blobs(_FOLDER):
        parts = blob.name.split("/")[:_DEPTH]
        folder = "/".join(parts)
        if folder != last and len(parts) == _DEPTH and parts[1].isdecimal():
            yield int(parts[1]), folder
        last = folder


def _index(folder: str) -> str:
    return f"{folder}/index"
