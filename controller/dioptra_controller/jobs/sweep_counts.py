"""The counts of a sweep, kept in the transactions that change its trials."""

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum

import sqlalchemy as sa

from dioptra_controller.database.engine import notify
from dioptra_controller.database.job_tables import SWEEPS
from dioptra_controller.jobs.notices import SweepChanged
from dioptra_controller.jobs.state import JobState

# How many wait follows from the others and the size.
_COUNTED = (JobState.STARTED, JobState.FINISHED, JobState.FAILED, JobState.CANCELLED)


class SweepState(StrEnum):
    """Where a sweep is in its life; the last two are final."""

    STARTED = "started"
    FINISHED = "finished"
    CANCELLED = "cancelled"


_DONE = SWEEPS.c.finished + SWEEPS.c.failed + SWEEPS.c.cancelled
_ADD = (
    sa.update(SWEEPS)
    .where(SWEEPS.c.id == sa.bindparam("sweep"))
    .values(
        {
            name: SWEEPS.c[name] + sa.bindparam(f"more_{name}")
            for name in (*(state.value for state in _COUNTED), "ended")
        }
    )
    .returning(SWEEPS.c.ended)
)
_SETTLE = (
    sa.update(SWEEPS)
    .where(
        SWEEPS.c.id == sa.bindparam("sweep"),
        SWEEPS.c.state == SweepState.STARTED.value,
        SWEEPS.c.size == _DONE,
    )
    .values(
        state=sa.case(
            (SWEEPS.c.cancel_requested, SweepState.CANCELLED.value),
            else_=SweepState.FINISHED.value,
        ),
        end_time=sa.bindparam("now"),
    )
)


def change(
    connection: sa.Connection,
    sweep_id: int,
    changes: Mapping[JobState, int],
    ended: int,
    now: dt.datetime,
) -> int:
    """Add to the counts, and end the sweep when its last trial has ended.

    Args:
        connection: The transaction.
        sweep_id: The sweep.
        changes: What to add to the number of trials in each state.
        ended: How many jobs of the sweep end in this transaction.
        now: The time of the transaction.

    Returns:
        How many of its jobs had ended before.
    """
    values = {f"more_{state.value}": changes.get(state, 0) for state in _COUNTED}
    values |= {"sweep": sweep_id, "more_ended": ended}
    after = connection.execute(_ADD, values).scalar_one()
    settle(connection, sweep_id, now)
    notify(connection, SweepChanged(sweep_id))
    return int(after) - ended


def settle(connection: sa.Connection, sweep_id: int, now: dt.datetime) -> None:
    """End the sweep if every trial has ended."""
    connection.execute(_SETTLE, {"sweep": sweep_id, "now": now})
