"""Tables of the registry: named things, their immutable snapshots, and artifacts.

A named thing has one row that never changes; everything that can change lies in its
snapshots, numbered densely from 1.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from dioptra_controller.database.metadata import METADATA, BigId, Instant, JsonText, Name

EXPERIMENTS = Table(
    "experiments",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("name", Name, nullable=False, unique=True),
    Column("description", Text, nullable=False, default=""),
    Column("create_time", Instant, nullable=False),
)

QUEUES = Table(
    "queues",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("name", Name, nullable=False, unique=True),
    Column("description", Text, nullable=False, default=""),
    Column("create_time", Instant, nullable=False),
)

PLUGINS = Table(
    "plugins",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("name", Name, nullable=False, unique=True),
    Column("create_time", Instant, nullable=False),
)

PLUGIN_SNAPSHOTS = Table(
    "plugin_snapshots",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("plugin_id", BigId, ForeignKey("plugins.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("description", Text, nullable=False),
    # Of the bundle in the store, and of everything in this row.
    Column("digest", String(80), nullable=False, index=True),
    Column("content_digest", String(80), nullable=False),
    Column("files", JsonText, nullable=False),
    Column("function_tasks", JsonText, nullable=False),
    Column("artifact_tasks", JsonText, nullable=False),
    Column("create_time", Instant, nullable=False),
    UniqueConstraint("plugin_id", "number"),
)

PARAMETER_TYPES = Table(
    "parameter_types",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("name", Name, nullable=False, unique=True),
    Column("create_time", Instant, nullable=False),
)

PARAMETER_TYPE_SNAPSHOTS = Table(
    "parameter_type_snapshots",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("parameter_type_id", BigId, ForeignKey("parameter_types.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("description", Text, nullable=False),
    Column("content_digest", String(80), nullable=False),
    Column("structure", JsonText, nullable=False),
    Column("create_time", Instant, nullable=False),
    UniqueConstraint("parameter_type_id", "number"),
)

ENTRYPOINTS = Table(
    "entrypoints",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("name", Name, nullable=False, unique=True),
    Column("create_time", Instant, nullable=False),
)

ENTRYPOINT_SNAPSHOTS = Table(
    "entrypoint_snapshots",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("entrypoint_id", BigId, ForeignKey("entrypoints.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("description", Text, nullable=False),
    Column("content_digest", String(80), nullable=False),
    # The self-contained description: types, parameters, tasks, graph and so on.
    Column("graph", JsonText, nullable=False),
    Column("artifact_tasks", JsonText, nullable=False),
    Column("argument_schemas", JsonText, nullable=False),
    Column("declarations", JsonText, nullable=False),
    Column("parameter_kinds", JsonText, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_file", Text, nullable=False),
    Column("create_time", Instant, nullable=False),
    UniqueConstraint("entrypoint_id", "number"),
)

ENTRYPOINT_PLUGINS = Table(
    "entrypoint_plugins",
    METADATA,
    Column(
        "entrypoint_snapshot_id", BigId, ForeignKey("entrypoint_snapshots.id"), primary_key=True
    ),
    Column("plugin_snapshot_id", BigId, ForeignKey("plugin_snapshots.id"), primary_key=True),
)

ARTIFACTS = Table(
    "artifacts",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("name", Name, nullable=False, index=True),
    Column("key", String(1024), nullable=False, unique=True),
    # Lineage; nothing of it is known for an upload but the task.
    Column("job_id", BigInteger, ForeignKey("jobs.id")),
    Column("entrypoint", String(255), nullable=False, default="", index=True),
    Column("step", Text, nullable=False, default=""),
    Column("output", Text, nullable=False, default=""),
    Column("task", Text, nullable=False, default=""),
    Column("plugin_digest", String(80), nullable=False, default=""),
    Column("outputs", JsonText, nullable=False),
    Column("is_directory", Boolean, nullable=False),
    Column("basename", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("digest", String(80), nullable=False),
    Column("manifest", Text, nullable=False),
    Column("create_time", Instant, nullable=False),
    # An id is never used twice, even after its row is gone.
    sqlite_autoincrement=True,
)
Index("ix_artifacts_job_id_name", ARTIFACTS.c.job_id, ARTIFACTS.c.name)

REQUESTS = Table(
    "requests",
    METADATA,
    Column("request_id", String(128), primary_key=True),
    Column("method", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("result", Text, nullable=False),
    Column("create_time", Instant, nullable=False),
)
