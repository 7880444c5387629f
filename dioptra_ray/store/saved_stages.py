"""What failed jobs keep in the store for a retry: one folder for each finished stage.

Everything of a stage is written before its index, which says what there is; a folder
without an index is of no use to anybody.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dioptra_ray.errors import DataLossError, NotFoundError
from dioptra_ray.store.keys import check_key
from dioptra_ray.store.protocol import ArtifactStore

_FOLDER = "saved-stages"
_DEPTH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedBlob:
    """Pickled values in the store.

    Attributes:
        key: Where they lie.
        size: Bytes.
        digest: "sha256:<hex>" of them.
    """

    key: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedOutputs:
    """What is kept of a stage.

    Attributes:
        plan_digest: The plan that it is a stage of; empty when nothing is kept of it,
            because nothing is needed.
        exports: The outputs of its steps that other stages take, by step.
        delta: Its new and changed files; None when no other stage takes them.
    """

    plan_digest: str = ""
    exports: Mapping[str, SavedBlob] = field(default_factory=dict)
    delta: SavedBlob | None = None


def saved_stage_folder(job_id: int, attempt: int, stage: str) -> str:
    """Where everything of one stage lies."""
    return check_key(f"{_FOLDER}/{job_id}/{attempt}/{stage}")


def write_index(store: ArtifactStore, folder: str, outputs: SavedOutputs) -> None:
    """Say that the folder is complete, and what is in it."""
    content = {
        "plan": outputs.plan_digest,
        "exports": {step: _write(blob) for step, blob in outputs.exports.items()},
        "delta": None if outputs.delta is None else _write(outputs.delta),
    }
    store.put_blob(_index(folder), json.dumps(content).encode())


def find_outputs(store: ArtifactStore, folders: Mapping[str, str]) -> dict[str, SavedOutputs]:
    """What is kept of stages, by their folders; those that are gone are left out.

    A stage of which nothing is needed has an empty folder.
    """
    found = {}
    for stage, folder in folders.items():
        try:
            found[stage] = _read_index(store, folder) if folder else SavedOutputs()
        except (NotFoundError, DataLossError):
            continue
    return found


def list_saved(store: ArtifactStore) -> Iterator[tuple[int, str]]:
    """The folders of all stages, complete or not, after the job that made each."""
    last = ""
    for blob in store.list_blobs(_FOLDER):
        parts = blob.name.split("/")[:_DEPTH]
        folder = "/".join(parts)
        if folder != last and len(parts) == _DEPTH and parts[1].isdecimal():
            yield int(parts[1]), folder
        last = folder


def _read_index(store: ArtifactStore, folder: str) -> SavedOutputs:
    try:
        content = json.loads(store.get_blob(_index(folder)))
        return SavedOutputs(
            plan_digest=content["plan"],
            exports={step: _read(blob) for step, blob in content["exports"].items()},
            delta=None if content["delta"] is None else _read(content["delta"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataLossError(f"The index of {folder} is damaged: {error}.") from error


def _write(blob: SavedBlob) -> list[str | int]:
    return [blob.key, blob.size, blob.digest]


def _read(content: list[str | int]) -> SavedBlob:
    key, size, digest = content
    return SavedBlob(key=str(key), size=int(size), digest=str(digest))


def _index(folder: str) -> str:
    return f"{folder}/index"
