"""Tables of access: groups, tokens with their roles, and the audit log."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
)

from dioptra_controller.database.metadata import METADATA, BigId, Instant, Name

GROUPS = Table(
    "groups",
    METADATA,
    Column("name", Name, primary_key=True),
    Column("description", Text, nullable=False),
    Column("create_time", Instant, nullable=False),
)

TOKENS = Table(
    "tokens",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("name", Name, nullable=False, unique=True),
    Column("subject", Text, nullable=False, index=True),
    # SHA-256 of the secret, in hexadecimal digits: the secret itself is nowhere.
    Column("digest", String(64), nullable=False, unique=True),
    Column("is_runner", Boolean, nullable=False),
    Column("creator", Text, nullable=False),
    Column("create_time", Instant, nullable=False),
    Column("expire_time", Instant),
    Column("revoke_time", Instant),
    # Written now and then only.
    Column("use_time", Instant),
)

TOKEN_ROLES = Table(
    "token_roles",
    METADATA,
    Column("token_id", BigId, ForeignKey("tokens.id"), nullable=False),
    # "*" stands for every group.
    Column("group_name", Name, nullable=False),
    # A number of `access.caller.Role`.
    Column("role", SmallInteger, nullable=False),
    PrimaryKeyConstraint("token_id", "group_name"),
    sqlite_with_rowid=False,
)

AUDIT_RECORDS = Table(
    "audit_records",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("time", Instant, nullable=False, index=True),
    Column("subject", Text, nullable=False),
    # Name of the token; empty for the bootstrap token.
    Column("token", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("resource", Text, nullable=False),
    # "ok", or the reason of the error.
    Column("outcome", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("peer", Text, nullable=False),
    sqlite_autoincrement=True,
)
