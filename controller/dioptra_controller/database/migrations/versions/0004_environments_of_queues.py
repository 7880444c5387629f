"""Environments of queues, and what stages wait for."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = sa.Column("environment", sa.Text(), server_default="{}", nullable=False)
    limit = sa.Column("max_started_jobs", sa.BigInteger(), server_default="0", nullable=False)
    priority = sa.Column("priority", sa.Integer(), server_default="0", nullable=False)
    for column in (text, limit, priority):
        op.add_column("queue_snapshots", column)
    op.add_column("jobs", sa.Column("waits", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "waits")
    for column in ("priority", "max_started_jobs", "environment"):
        op.drop_column("queue_snapshots", column)
