"""What keeps several controllers of one database from deciding about leases at once.

Whoever gives jobs to runners, takes them back, or greets a runner does so in a transaction
that first takes one lock, which all controllers of a database share; it ends with the
transaction. Such transactions are short, and what they decide would have to wait for each
other's rows anyway. Rows are locked in one order after it: runners, jobs, sweeps.

On SQLite there is one writer, and one controller, so nothing needs a lock.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from dioptra_controller.database.job_tables import RUNNERS
from dioptra_controller.scheduling.sessions import Introduction

# Any number will do, as long as every controller of a database uses the same.
_LOCK = 7_204_117_531
_FROZEN = "5s"


def lock(connection: sa.Connection) -> None:
    """Wait until no other transaction decides about leases.

    A controller that freezes meanwhile is thrown out by the server, before those who wait
    for it have lost their patience; it finds that out when it thaws.
    """
    if connection.dialect.name == "postgresql":
        patience = sa.func.set_config("idle_in_transaction_session_timeout", _FROZEN, True)
        connection.execute(sa.select(patience, sa.func.pg_advisory_xact_lock(_LOCK)))


def lock_runners(
    connection: sa.Connection, runners: Iterable[Introduction]
) -> tuple[Introduction, ...]:
    """`lock`, and see which of the runners of this controller are still its own.

    A runner that has lost its stream may be welcome elsewhere before its old controller
    hears of that; what it was given here then would reach nobody.
    """
    candidates = tuple(runners)
    if not candidates or connection.dialect.name != "postgresql":
        return candidates
    lock(connection)
    # A statement of its own, after the lock: it must see what was committed meanwhile.
    query = sa.select(RUNNERS.c.runner_id, RUNNERS.c.controller).where(
        RUNNERS.c.runner_id.in_([runner.runner_id for runner in candidates])
    )
    holders = {row.runner_id: row.controller for row in connection.execute(query)}
    return tuple(
        runner for runner in candidates if holders.get(runner.runner_id) == runner.controller
    )
