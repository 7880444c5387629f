"""Keeping what a finished stage leaves to others in the store, and bringing it back.

Nothing is unpickled on the way. What is brought back looks like what `run_stage` returns,
so whoever follows the stage cannot tell that it did not run.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dioptra_ray.store import ArtifactStore
from dioptra_ray.store.saved_stages import SavedBlob, SavedOutputs, write_index
from dioptra_workers.stage.delta import large_size, rehome
from dioptra_workers.stage.events import StepChanged
from dioptra_workers.stage.payload import Payload
from dioptra_workers.stage.request import StageReport, StageRequest
from dioptra_workers.stage.scratch import Scratch, Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What became of keeping a stage.

    Attributes:
        size: Bytes of what it leaves to others.
        outputs: What is kept; None when that is too much.
    """

    size: int
    outputs: SavedOutputs | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reused:
    """A stage that need not run.

    Attributes:
        job_id: The job that ran it.
        outputs: What is kept of it.
    """

    job_id: int
    outputs: SavedOutputs


def save_stage(  # noqa: PLR0913 - each by its name
    store: ArtifactStore,
    folder: str,
    plan_digest: str,
    *,
    exports: Mapping[str, Payload],
    delta: Payload | None,
    limit: int,
) -> Saved:
    """Store what a stage leaves to others, unless that is more than `limit` bytes.

    Raises:
        NotFoundError: A large file that it leaves is not in the store any more.
        DataLossError: The stored bytes of one were changed or lost.
    """
    given = [*exports.values(), *([] if delta is None else [delta])]
    size = sum(memoryview(buffer).nbytes for payload in given for buffer in payload.buffers)
    size += 0 if delta is None else large_size(delta)
    if size > limit:
        return Saved(size=size, outputs=None)
    scratch = Scratch(store, folder)
    outputs = SavedOutputs(
        plan_digest=plan_digest,
        exports={step: _write(scratch.put_payload(payload)) for step, payload in exports.items()},
        delta=None if delta is None else _write(scratch.put_payload(rehome(delta, scratch))),
    )
    write_index(store, folder, outputs)
    return Saved(size=size, outputs=outputs)


def load_stage(
    store: ArtifactStore, request: StageRequest, reused: Reused, node_id: str
) -> tuple[Any, ...]:
    """What `run_stage` returned when it ran the stage, on this node; None for what is not kept.

    Raises:
        NotFoundError: It has been removed from the store.
        DataLossError: The stored bytes were changed or lost.
    """
    scratch, outputs = Scratch(store, ""), reused.outputs
    exports = [_load(scratch, outputs.exports.get(step)) for step in request.stage.exports]
    gate = [True] if request.followed else []
    delta = [_load(scratch, outputs.delta)] if request.shares_files else []
    now, reason = time.time(), f"reused from job {reused.job_id}"
    events = tuple(
        StepChanged(now, step, "finished", exit_reason=reason) for step in request.stage.steps
    )
    report = StageReport(outcome="finished", events=events, node_id=node_id)
    return report, *gate, *exports, *delta


def _load(scratch: Scratch, blob: SavedBlob | None) -> Payload | None:
    return None if blob is None else scratch.get_payload(Stored(**asdict(blob)))


def _write(stored: Stored) -> SavedBlob:
    return SavedBlob(**asdict(stored))
