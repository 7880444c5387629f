"""Stages whose outputs are kept in the store, so that a retry need not run them again.

A failed job says which of its stages were saved; a retry says which it reuses. Both are
kept as JSON in the job's row.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedStage:
    """The outputs of a finished stage.

    Attributes:
        stage: The stage.
        job_id: The job that ran it.
        key: Where its outputs lie in the store; empty when none of them is needed.
    """

    stage: str
    job_id: int
    key: str


def write_saved(stages: Iterable[SavedStage]) -> str | None:
    """As JSON; None for none."""
    content = [[saved.stage, saved.job_id, saved.key] for saved in stages]
    return json.dumps(content, separators=(",", ":")) if content else None


def read_saved(text: str | None) -> tuple[SavedStage, ...]:
    """Read what `write_saved` wrote."""
    return tuple(
        SavedStage(stage=stage, job_id=job_id, key=key)
        for stage, job_id, key in json.loads(text or "[]")
    )
