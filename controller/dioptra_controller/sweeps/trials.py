"""Trials: the jobs of a sweep, made when a runner has room for them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dioptra_controller.database.job_tables import JOBS, SWEEPS
from dioptra_controller.jobs.ledger import Ledger
from dioptra_controller.jobs.open_jobs import OpenJob
from dioptra_controller.jobs.state import JobLife, JobState
from dioptra_controller.jobs.sweep_counts import SweepState
from dioptra_controller.sweeps.space import Space
from dioptra_controller.sweeps.spaces import Spaces
from dioptra_controller.sweeps.variants import Variants, parameters_of

_SHARED = (
    "experiment",
    "entrypoint",
    "entrypoint_snapshot",
    "snapshot_id",
    "queue",
    "description",
    "artifact_inputs",
    "timeout_seconds",
    "group_name",
    "owner",
)
_COLUMNS = (
    *(SWEEPS.c[name] for name in _SHARED),
    SWEEPS.c.parameters,
    SWEEPS.c.next_trial,
    SWEEPS.c.size,
)


def make_trials(ledger: Ledger, sweep_id: int, count: int, spaces: Spaces) -> list[OpenJob]:
    """Make jobs for the next trials of a sweep; fewer when fewer are left."""
    connection = ledger.connection
    query = sa.select(*_COLUMNS).where(
        SWEEPS.c.id == sweep_id, SWEEPS.c.state == SweepState.STARTED.value
    )
    sweep = connection.execute(query.with_for_update()).mappings().one_or_none()
    if sweep is None:
        return []
    first = sweep["next_trial"]
    trials = range(first, min(first + count, sweep["size"]))
    if not trials:
        return []
    points = _Points(spaces.get(connection, sweep_id), spaces.variants(connection, sweep_id))
    fixed: dict[str, Any] = json.loads(sweep["parameters"])
    shared = {name: sweep[name] for name in _SHARED}
    shared |= {"state": JobState.QUEUED.value, "attempt": 0, "cancel_requested": False}
    shared |= {"sweep_id": sweep_id, "create_time": ledger.now, "last_event": 1, "last_log": 0}
    rows = [{**shared, **points.columns(trial, fixed)} for trial in trials]
    inserted = connection.execute(sa.insert(JOBS).returning(JOBS.c.id, JOBS.c.trial), rows)
    ids = {row.trial: row.id for row in inserted}
    connection.execute(
        sa.update(SWEEPS).where(SWEEPS.c.id == sweep_id).values(next_trial=trials.stop)
    )
    made = []
    for trial in trials:
        job = OpenJob(
            id=ids[trial],
            life=JobLife(),
            timeout_seconds=sweep["timeout_seconds"],
            sweep_id=sweep_id,
            last_event=1,
        )
        ledger.begin(job)
        made.append(job)
    return made


@dataclass(frozen=True, slots=True)
class _Points:
    """What tells the trials of a sweep apart."""

    space: Space
    variants: Variants

    def columns(self, trial: int, fixed: Mapping[str, Any]) -> dict[str, Any]:
        point = self.space.point(trial)
        choices, plan_digest = self.variants.find(point)
        return {
            "trial": trial,
            "parameters": json.dumps({**fixed, **parameters_of(point)}),
            "swaps": json.dumps(choices),
            "plan_digest": plan_digest,
        }
