"""Tables of the registry: named things, their immutable snapshots, tags, and artifacts.

A named thing has one row (its head); everything that can change lies in its snapshots.
Deleting a thing takes its `name` away, by which it is found, and leaves its `label`, by
which its history is read: so a name can be used again, and nothing that refers to a
snapshot ever dangles.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from dioptra_controller.database.metadata import METADATA, BigId, Instant, JsonText, Name


def _belonging() -> "tuple[Column[str], Column[str]]":
    """The group that a thing belongs to, and the subject who made it, if that is known."""
    return (
        Column("group_name", Name, nullable=False, server_default="default"),
        Column("owner", Text),
    )


def _heads(table: str) -> Table:
    return Table(
        table,
        METADATA,
        Column("id", BigId, primary_key=True),
        # What it is found by; NULL once it is deleted.
        Column("name", Name, unique=True),
        # What it is called, for ever.
        Column("label", Name, nullable=False, index=True),
        Column("create_time", Instant, nullable=False),
        Column("delete_time", Instant),
        *_belonging(),
    )


def _snapshots(of: str, *columns: "Column[Any]") -> Table:
    owner = f"{of}_id"
    return Table(
        f"{of}_snapshots",
        METADATA,
        Column("id", BigId, primary_key=True),
        Column(owner, BigId, ForeignKey(f"{of}s.id"), nullable=False),
        Column("number", Integer, nullable=False),
        Column("description", Text, nullable=False),
        # Of everything in this row.
        Column("content_digest", String(80), nullable=False),
        *columns,
        Column("create_time", Instant, nullable=False),
        UniqueConstraint(owner, "number"),
    )


EXPERIMENTS = _heads("experiments")
EXPERIMENT_SNAPSHOTS = _snapshots("experiment")

QUEUES = _heads("queues")
QUEUE_SNAPSHOTS = _snapshots(
    "queue",
    # What differs from the defaults of `planning.environments`.
    Column("environment", JsonText, nullable=False, server_default="{}"),
    # 0 for no limit.
    Column("max_started_jobs", BigInteger, nullable=False, server_default="0"),
    Column("priority", Integer, nullable=False, server_default="0"),
)

PLUGINS = _heads("plugins")
PLUGIN_SNAPSHOTS = _snapshots(
    "plugin",
    # Of the bundle in the store.
    Column("digest", String(80), nullable=False, index=True),
    Column("files", JsonText, nullable=False),
    Column("function_tasks", JsonText, nullable=False),
    Column("artifact_tasks", JsonText, nullable=False),
)

PARAMETER_TYPES = _heads("parameter_types")
PARAMETER_TYPE_SNAPSHOTS = _snapshots(
    "parameter_type",
    Column("structure", JsonText, nullable=False),
)

ENTRYPOINTS = _heads("entrypoints")
ENTRYPOINT_SNAPSHOTS = _snapshots(
    "entrypoint",
    # The self-contained description: types, parameters, tasks, graph and so on.
    Column("graph", JsonText, nullable=False),
    Column("artifact_tasks", JsonText, nullable=False),
    Column("argument_schemas", JsonText, nullable=False),
    Column("declarations", JsonText, nullable=False),
    Column("parameter_kinds", JsonText, nullable=False),
    # What the description was put together from, besides source, plugins and types.
    Column("declared", JsonText, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_file", Text, nullable=False),
)

ENTRYPOINT_PLUGINS = Table(
    "entrypoint_plugins",
    METADATA,
    Column(
        "entrypoint_snapshot_id", BigId, ForeignKey("entrypoint_snapshots.id"), primary_key=True
    ),
    Column(
        "plugin_snapshot_id",
        BigId,
        ForeignKey("plugin_snapshots.id"),
        primary_key=True,
        index=True,
    ),
)

ENTRYPOINT_DRAFTS = Table(
    "entrypoint_drafts",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("name", Name, nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_file", Text, nullable=False),
    Column("plugins", JsonText, nullable=False),
    Column("issues", JsonText, nullable=False),
    Column("update_time", Instant, nullable=False),
    *_belonging(),
)

ARTIFACTS = Table(
    "artifacts",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("name", Name, nullable=False, index=True),
    Column("key", String(1024), nullable=False, unique=True),
    Column("description", Text, nullable=False, default=""),
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
    # Deleted first for everybody, then its bytes.
    Column("delete_time", Instant),
    Column("purge_time", Instant),
    *_belonging(),
    # An id is never used twice, even after its row is gone.
    sqlite_autoincrement=True,
)
Index("ix_artifacts_job_id_name", ARTIFACTS.c.job_id, ARTIFACTS.c.name)

TAGS = Table(
    "tags",
    METADATA,
    # What kind of thing has the tag, and the id of that thing.
    Column("kind", String(32), nullable=False),
    Column("resource_id", BigInteger, nullable=False),
    Column("tag", Name, nullable=False),
    PrimaryKeyConstraint("tag", "kind", "resource_id"),
    sqlite_with_rowid=False,
)
Index("ix_tags_kind_resource_id", TAGS.c.kind, TAGS.c.resource_id)

REQUESTS = Table(
    "requests",
    METADATA,
    Column("request_id", String(128), primary_key=True),
    Column("method", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("result", Text, nullable=False),
    Column("create_time", Instant, nullable=False),
)

# The artifact stores that this database has had, in order; the last one is the present one.
STORES = Table(
    "stores",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("url", Text, nullable=False),
    Column("create_time", Instant, nullable=False),
)
