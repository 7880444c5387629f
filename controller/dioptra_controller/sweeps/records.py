"""Sweeps as they are read, and how they are cancelled."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dioptra_controller import paging
from dioptra_controller.access import checks
from dioptra_controller.access.caller import Role
from dioptra_controller.database.engine import notify
from dioptra_controller.database.job_tables import JOBS, SWEEPS
from dioptra_controller.jobs import sweep_counts
from dioptra_controller.jobs.ledger import Ledger
from dioptra_controller.jobs.notices import SweepChanged
from dioptra_controller.jobs.state import JobState
from dioptra_controller.jobs.sweep_counts import SweepState
from dioptra_controller.sweeps.spaces import Spaces
from dioptra_ray.errors import NotFoundError, PreconditionError

_HEAVY = {"space", "parameters", "artifact_inputs", "variants"}
_COLUMNS = tuple(column for column in SWEEPS.c if column.name not in _HEAVY)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """A sweep; the fields are those of the proto message.

    Attributes:
        ended: How many of its jobs have ended.
        next_trial: Trials below it have a job.
        dimensions: Parameters, and swaps as `?name`, that vary, in order of the space.
        swaps: The chosen aliases of swaps that do not vary.
    """

    id: int
    experiment: str
    entrypoint: str
    entrypoint_snapshot: int
    queue: str
    description: str
    state: SweepState
    cancel_requested: bool
    size: int
    next_trial: int
    started: int
    finished: int
    failed: int
    cancelled: int
    ended: int
    create_time: dt.datetime
    end_time: dt.datetime | None
    dimensions: tuple[str, ...]
    swaps: Mapping[str, str]
    group: str
    owner: str

    @property
    def queued(self) -> int:
        """Trials that wait, with or without a job."""
        return self.size - self.started - self.finished - self.failed - self.cancelled

    @property
    def is_final(self) -> bool:
        """Whether every trial has ended."""
        return self.state is not SweepState.STARTED


def get(connection: sa.Connection, sweep_id: int, spaces: Spaces) -> SweepRecord:
    """Read a sweep.

    Raises:
        NotFoundError: There is no such sweep.
    """
    query = sa.select(*_COLUMNS).where(SWEEPS.c.id == sweep_id)
    row = connection.execute(query).one_or_none()
    if row is None or not checks.is_visible(row.group_name):
        raise not_found(sweep_id)
    return _read(connection, row, spaces)


def list_page(
    connection: sa.Connection, page: paging.PageRequest, spaces: Spaces
) -> paging.Page[SweepRecord]:
    """One page of sweeps, the newest first."""
    size = paging.page_size(page.size)
    after = paging.decode(page.token, "sweeps")
    query = sa.select(*_COLUMNS).order_by(SWEEPS.c.id.desc()).limit(size + 1)
    query = query.where(checks.visible(SWEEPS.c.group_name))
    if after is not None:
        query = query.where(SWEEPS.c.id < after[0])
    rows = [_read(connection, row, spaces) for row in connection.execute(query).all()]
    return paging.slice_page(rows, size, "sweeps", key=lambda row: [row.id])


def cancel_sweep(connection: sa.Connection, sweep_id: int, *, now: dt.datetime) -> None:
    """Stop what runs and make no further trials; idempotent.

    Raises:
        NotFoundError: There is no such sweep.
        PermissionDeniedError: The caller may not submit to its group.
        PreconditionError: It has finished already.
    """
    query = sa.select(SWEEPS.c.group_name).where(SWEEPS.c.id == sweep_id)
    group = connection.execute(query).scalar_one_or_none()
    if group is None or not checks.is_visible(group):
        raise not_found(sweep_id)
    checks.require(Role.SUBMITTER, group)
    # Jobs are locked before their sweep, as everywhere.
    ledger = Ledger(connection, now)
    waiting = (JobState.QUEUED.value, JobState.STARTED.value)
    jobs = ledger.open_where((JOBS.c.sweep_id == sweep_id) & JOBS.c.state.in_(waiting))
    columns = (SWEEPS.c.state, SWEEPS.c.cancel_requested)
    locked = sa.select(*columns).where(SWEEPS.c.id == sweep_id).with_for_update()
    sweep = connection.execute(locked).one()
    if sweep.state == SweepState.FINISHED.value:
        raise PreconditionError(f"sweep {sweep_id} has finished already", sweep=str(sweep_id))
    if sweep.cancel_requested:
        return
    unmade = SWEEPS.c.size - SWEEPS.c.next_trial
    connection.execute(
        sa.update(SWEEPS)
        .where(SWEEPS.c.id == sweep_id)
        .values(
            cancel_requested=True,
            cancelled=SWEEPS.c.cancelled + unmade,
            next_trial=SWEEPS.c.size,
        )
    )
    for job in jobs:
        ledger.move(job, job.life.request_cancel())
    ledger.write()
    sweep_counts.settle(connection, sweep_id, now)
    notify(connection, SweepChanged(sweep_id))


def not_found(sweep_id: int) -> NotFoundError:
    """The error of a sweep that does not exist."""
    return NotFoundError(f"there is no sweep {sweep_id}", sweep=str(sweep_id))


def _read(connection: sa.Connection, row: Any, spaces: Spaces) -> SweepRecord:
    return SweepRecord(
        id=row.id,
        experiment=row.experiment,
        entrypoint=row.entrypoint,
        entrypoint_snapshot=row.entrypoint_snapshot,
        queue=row.queue,
        description=row.description,
        state=SweepState(row.state),
        cancel_requested=row.cancel_requested,
        size=row.size,
        next_trial=row.next_trial,
        started=row.started,
        finished=row.finished,
        failed=row.failed,
        cancelled=row.cancelled,
        ended=row.ended,
        create_time=row.create_time,
        end_time=row.end_time,
        dimensions=spaces.get(connection, row.id).names,
        swaps=json.loads(row.swaps),
        group=row.group_name,
        owner=row.owner or "",
    )
