"""Spaces and variants of stored sweeps, read once and kept."""

import sqlalchemy as sa

from dioptra_controller.database.job_tables import SWEEPS
from dioptra_controller.jobs.recent import Recent
from dioptra_controller.sweeps.space import Space, read_space
from dioptra_controller.sweeps.variants import Variants, load_variants


class Spaces:
    """Spaces by sweep, of one database; safe to share between threads."""

    def __init__(self) -> None:
        self._recent: Recent[int, Space] = Recent(32)
        self._variants: Recent[int, Variants] = Recent(32)

    def get(self, connection: sa.Connection, sweep_id: int) -> Space:
        """The space of a sweep that exists."""

        def load() -> Space:
            query = sa.select(SWEEPS.c.space).where(SWEEPS.c.id == sweep_id)
            return read_space(connection.execute(query).scalar_one())

        return self._recent.get(sweep_id, load)

    def variants(self, connection: sa.Connection, sweep_id: int) -> Variants:
        """The variants of a sweep that exists."""
        return self._variants.get(sweep_id, lambda: load_variants(connection, sweep_id))
