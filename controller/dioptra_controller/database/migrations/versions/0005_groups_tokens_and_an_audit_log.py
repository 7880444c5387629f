"""Groups that things belong to, tokens with roles in them, and an audit log."""

import datetime as dt

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")
NAMED = (
    "plugins",
    "parameter_types",
    "entrypoints",
    "experiments",
    "queues",
    "entrypoint_drafts",
    "artifacts",
)
RUNNING = ("jobs", "sweeps")


def upgrade() -> None:
    _create_groups_and_tokens()
    _create_audit_records()
    for table in (*NAMED, *RUNNING):
        kind = sa.Text() if table in RUNNING else NAME
        # All that there is belongs to the default group.
        group = sa.Column("group_name", kind, server_default="default", nullable=False)
        owner = sa.Column("owner", sa.Text(), nullable=True)
        for column in (group, owner):
            op.add_column(table, column)


def _create_groups_and_tokens() -> None:
    groups = op.create_table(
        "groups",
        sa.Column("name", NAME, nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_groups"),
    )
    microseconds = round(dt.datetime.now(dt.UTC).timestamp() * 1_000_000)
    row = {"name": "default", "description": "", "create_time": microseconds}
    op.execute(groups.insert().values(row))
    op.create_table(
        "tokens",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("is_runner", sa.Boolean(), nullable=False),
        sa.Column("creator", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=True),
        sa.Column("revoke_time", sa.BigInteger(), nullable=True),
        sa.Column("use_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("name", name="uq_tokens_name"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
    )
    op.create_index("ix_tokens_subject", "tokens", ["subject"])
    op.create_table(
        "token_roles",
        sa.Column("token_id", ID, nullable=False),
        sa.Column("group_name", NAME, nullable=False),
        sa.Column("role", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], name="fk_token_roles_token_id"),
        sa.PrimaryKeyConstraint("token_id", "group_name", name="pk_token_roles"),
        sqlite_with_rowid=False,
    )


def _create_audit_records() -> None:
    op.create_table(
        "audit_records",
        sa.Column("id", ID, nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_records"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_records_time", "audit_records", ["time"])


def downgrade() -> None:
    for table in (*NAMED, *RUNNING):
        for column in ("owner", "group_name"):
            op.drop_column(table, column)
    for table in ("audit_records", "token_roles", "tokens", "groups"):
        op.drop_table(table)
