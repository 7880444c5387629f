"""Runners that other controllers can see."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runners", sa.Column("controller", sa.Text(), nullable=True))
    op.add_column("runners", sa.Column("beat", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("runners", sa.Column("seen_time", sa.BigInteger(), nullable=True))
    op.add_column("runners", sa.Column("description", sa.Text(), nullable=True))


def downgrade() -> None:
    for column in ("description", "seen_time", "beat", "controller"):
        op.drop_column("runners", column)
