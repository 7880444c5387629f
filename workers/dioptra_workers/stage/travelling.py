"""The files that reach a stage from those before it, and that it leaves to those after it."""

import logging
from collections.abc import Sequence
from pathlib import Path

from dioptra_ray.store import ArtifactStore, scratch_folder
from dioptra_workers.stage.delta import read_delta, write_delta
from dioptra_workers.stage.laying import lay_out
from dioptra_workers.stage.merging import merge
from dioptra_workers.stage.packing import Author, pack
from dioptra_workers.stage.payload import Payload
from dioptra_workers.stage.request import StageRequest
from dioptra_workers.stage.scratch import Scratch
from dioptra_workers.stage.workspace import Stamps, scan

_LOG = logging.getLogger("dioptra_ray.workspace")
_MOST_CONFLICTS = 20
_MOST_STEPS = 3


class TravellingFiles:
    """The working directory of one stage, seen from outside."""

    def __init__(self, request: StageRequest, work: Path, store: ArtifactStore) -> None:
        self._request = request
        self._work = work
        self._scratch = Scratch(store, scratch_folder(request.job.job_id, request.job.attempt))
        self._before: Stamps = {}

    def arrive(self, deltas: Sequence[Payload]) -> None:
        """Lay out what the stages before this one left, and say where they disagree."""
        if deltas:
            tree, conflicts = merge([read_delta(delta) for delta in deltas])
            lay_out(self._work, tree, self._scratch)
            for conflict in conflicts[:_MOST_CONFLICTS]:
                _LOG.warning("%s", conflict)
            if len(conflicts) > _MOST_CONFLICTS:
                more = len(conflicts) - _MOST_CONFLICTS
                _LOG.warning("%d more files were changed by stages that ran side by side.", more)
        if self._request.shares_files:
            self._before = scan(self._work).stamps

    def leave(self) -> Payload | None:
        """What this stage has done to the directory; None where nobody takes it."""
        if not self._request.shares_files:
            return None
        stage = self._request.stage
        author = Author(stage=stage.name, label=_label(stage.name, stage.steps), after=stage.after)
        delta = pack(self._work, self._before, author, self._scratch, _LOG.warning)
        return write_delta(delta)


def _label(name: str, steps: Sequence[str]) -> str:
    """A stage as people know it."""
    shown = ", ".join(steps[:_MOST_STEPS])
    more = f" and {len(steps) - _MOST_STEPS} more" if len(steps) > _MOST_STEPS else ""
    return f"{name} ({shown}{more})" if shown else name
