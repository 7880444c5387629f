"""The first schema."""

import datetime as dt

from alembic import op
from dioptra_controller.database import tables
from dioptra_controller.database.registry_tables import EXPERIMENTS, QUEUES

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    tables.METADATA.create_all(connection)
    row = {"name": "default", "description": "", "create_time": dt.datetime.now(dt.UTC)}
    connection.execute(EXPERIMENTS.insert().values(**row))
    connection.execute(QUEUES.insert().values(**row))
