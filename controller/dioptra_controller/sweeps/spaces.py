"""Spaces of stored sweeps, read once and kept."""

import sqlalchemy as sa

from dioptra_controller.database.job_tables import SWEEPS
from dioptra_controller.jobs.recent import Recent
from dioptra_controller.sweeps.space import Space, read_space


class Spaces:
    """Spaces by sweep, of one database; safe to share between threads."""

    def __init__(self) -> None:
        self._recent: Recent[int, Space] = Recent(32)

    def get(self, connection: sa.Connection, sweep_id: int) -> Space:
        """The space of a sweep that exists."""

        def load() -> Space:
            query = sa.select(SWEEPS.c.space).where(SWEEPS.c.id == sweep_id)
            return read_space(connection.execute(query).scalar_one())

        return self._recent.get(sweep_id, load)
