"""The first schema."""

import datetime as dt
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")


def upgrade() -> None:
    _create_names()
    _create_plugins_and_types()
    _create_entrypoints()
    _create_sweeps()
    _create_jobs()
    _create_records()
    _create_artifacts()
    _create_tags()
    _insert_default_names()


def _insert_default_names() -> None:
    microseconds = round(dt.datetime.now(dt.UTC).timestamp() * 1_000_000)
    snapshot: dict[str, Any] = {"number": 1, "description": "", "content_digest": _EMPTY}
    snapshot["create_time"] = microseconds
    for kind in ("experiment", "queue"):
        row = {"name": "default", "label": "default", "create_time": microseconds}
        heads = sa.table(f"{kind}s", *(sa.Column(name) for name in row))
        op.bulk_insert(heads, [row])
        columns: list[Any] = [sa.column(name) for name in (*snapshot, f"{kind}_id")]
        op.bulk_insert(sa.table(f"{kind}_snapshots", *columns), [{**snapshot, f"{kind}_id": 1}])


# Of a snapshot that has nothing but an empty description.
_EMPTY = "sha256:6ec6ed7edb377f7f63a6564bc3377f58ead1afb040943a3af94eaa7498ca7b65"


def _create_heads(table: str) -> None:
    op.create_table(
        table,
        sa.Column("id", ID, nullable=False),
        sa.Column("name", NAME, nullable=True),
        sa.Column("label", NAME, nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("delete_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.UniqueConstraint("name", name=f"uq_{table}_name"),
    )
    op.create_index(f"ix_{table}_label", table, ["label"])


def _create_snapshots(of: str, *columns: "sa.Column[Any]") -> None:
    table, owner = f"{of}_snapshots", f"{of}_id"
    op.create_table(
        table,
        sa.Column("id", ID, nullable=False),
        sa.Column(owner, ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.String(80), nullable=False),
        *columns,
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint([owner], [f"{of}s.id"], name=f"fk_{table}_{owner}"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.UniqueConstraint(owner, "number", name=f"uq_{table}_{owner}_number"),
    )


def _create_names() -> None:
    for kind in ("experiment", "queue"):
        _create_heads(f"{kind}s")
        _create_snapshots(kind)
    op.create_table(
        "requests",
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("method", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_requests"),
    )


def _create_plugins_and_types() -> None:
    _create_heads("plugins")
    _create_snapshots(
        "plugin",
        sa.Column("digest", sa.String(80), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("function_tasks", sa.Text(), nullable=False),
        sa.Column("artifact_tasks", sa.Text(), nullable=False),
    )
    op.create_index("ix_plugin_snapshots_digest", "plugin_snapshots", ["digest"])
    _create_heads("parameter_types")
    _create_snapshots("parameter_type", sa.Column("structure", sa.Text(), nullable=False))


def _create_entrypoints() -> None:
    _create_heads("entrypoints")
    texts = (
        "graph",
        "artifact_tasks",
        "argument_schemas",
        "declarations",
        "parameter_kinds",
        "declared",
        "source",
        "source_file",
    )
    _create_snapshots("entrypoint", *(sa.Column(name, sa.Text(), nullable=False) for name in texts))
    op.create_table(
        "entrypoint_plugins",
        sa.Column("entrypoint_snapshot_id", ID, nullable=False),
        sa.Column("plugin_snapshot_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["entrypoint_snapshot_id"],
            ["entrypoint_snapshots.id"],
            name="fk_entrypoint_plugins_entrypoint_snapshot_id",
        ),
        sa.ForeignKeyConstraint(
            ["plugin_snapshot_id"],
            ["plugin_snapshots.id"],
            name="fk_entrypoint_plugins_plugin_snapshot_id",
        ),
        sa.PrimaryKeyConstraint(
            "entrypoint_snapshot_id", "plugin_snapshot_id", name="pk_entrypoint_plugins"
        ),
    )
    op.create_index(
        "ix_entrypoint_plugins_plugin_snapshot_id", "entrypoint_plugins", ["plugin_snapshot_id"]
    )
    op.create_table(
        "entrypoint_drafts",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_file", sa.Text(), nullable=False),
        sa.Column("plugins", sa.Text(), nullable=False),
        sa.Column("issues", sa.Text(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_entrypoint_drafts"),
        sa.UniqueConstraint("name", name="uq_entrypoint_drafts_name"),
    )


def _create_sweeps() -> None:
    op.create_table(
        "plans",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("plan_json", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_plans"),
    )
    op.create_table(
        "sweeps",
        sa.Column("id", ID, nullable=False),
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("entrypoint", sa.Text(), nullable=False),
        sa.Column("entrypoint_snapshot", sa.Integer(), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("next_trial", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("cancelled", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=False),
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("artifact_inputs", sa.Text(), nullable=False),
        sa.Column("swaps", sa.Text(), nullable=False),
        sa.Column("variants", sa.Text(), nullable=True),
        sa.Column("plan_digest", sa.Text(), nullable=False),
        sa.Column("timeout_seconds", sa.Double(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("end_time", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["plan_digest"], ["plans.digest"], name="fk_sweeps_plan_digest"),
        sa.PrimaryKeyConstraint("id", name="pk_sweeps"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_sweeps_open",
        "sweeps",
        ["queue"],
        sqlite_where=sa.text("state = 'started'"),
        postgresql_where=sa.text("state = 'started'"),
    )


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", ID, nullable=False),
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("entrypoint", sa.Text(), nullable=False),
        sa.Column("entrypoint_snapshot", sa.Integer(), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("runner_id", sa.Text(), nullable=True),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("artifact_inputs", sa.Text(), nullable=False),
        sa.Column("swaps", sa.Text(), nullable=False),
        sa.Column("plan_digest", sa.Text(), nullable=False),
        sa.Column("timeout_seconds", sa.Double(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=True),
        sa.Column("steps", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("artifacts", sa.Text(), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=True),
        sa.Column("end_time", sa.BigInteger(), nullable=True),
        sa.Column("sweep_id", sa.BigInteger(), nullable=True),
        sa.Column("trial", sa.BigInteger(), nullable=True),
        sa.Column("end_sequence", sa.BigInteger(), nullable=True),
        sa.Column("retry_of", sa.BigInteger(), nullable=True),
        sa.Column("last_event", sa.BigInteger(), nullable=False),
        sa.Column("last_log", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["plan_digest"], ["plans.digest"], name="fk_jobs_plan_digest"),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweeps.id"], name="fk_jobs_sweep_id"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_jobs_queued",
        "jobs",
        ["queue", "id"],
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "ix_jobs_started",
        "jobs",
        ["runner_id"],
        sqlite_where=sa.text("state = 'started'"),
        postgresql_where=sa.text("state = 'started'"),
    )
    op.create_index(
        "ix_jobs_sweep_id_end_sequence",
        "jobs",
        ["sweep_id", "end_sequence"],
        sqlite_where=sa.text("end_sequence IS NOT NULL"),
        postgresql_where=sa.text("end_sequence IS NOT NULL"),
    )
    op.create_index(
        "uq_jobs_sweep_id_trial",
        "jobs",
        ["sweep_id", "trial"],
        unique=True,
        sqlite_where=sa.text("sweep_id IS NOT NULL"),
        postgresql_where=sa.text("sweep_id IS NOT NULL"),
    )
    op.create_table(
        "runners",
        sa.Column("runner_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("committed_sequence", sa.BigInteger(), nullable=False),
        sa.Column("connect_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("runner_id", name="pk_runners"),
    )


def _create_records() -> None:
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_events_job_id"),
        sa.PrimaryKeyConstraint("job_id", "sequence", name="pk_job_events"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "job_logs",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("logger", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_logs_job_id"),
        sa.PrimaryKeyConstraint("job_id", "sequence", name="pk_job_logs"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "metrics",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("graph_step", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_metrics_job_id"),
        sa.PrimaryKeyConstraint("job_id", "name", "step", name="pk_metrics"),
        sqlite_with_rowid=False,
    )


def _create_artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("key", sa.String(1024), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("entrypoint", sa.String(255), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("plugin_digest", sa.String(80), nullable=False),
        sa.Column("outputs", sa.Text(), nullable=False),
        sa.Column("is_directory", sa.Boolean(), nullable=False),
        sa.Column("basename", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(80), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("delete_time", sa.BigInteger(), nullable=True),
        sa.Column("purge_time", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_artifacts_job_id"),
        sa.PrimaryKeyConstraint("id", name="pk_artifacts"),
        sa.UniqueConstraint("key", name="uq_artifacts_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_artifacts_entrypoint", "artifacts", ["entrypoint"])
    op.create_index("ix_artifacts_job_id_name", "artifacts", ["job_id", "name"])
    op.create_index("ix_artifacts_name", "artifacts", ["name"])


def _create_tags() -> None:
    op.create_table(
        "tags",
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("resource_id", sa.BigInteger(), nullable=False),
        sa.Column("tag", NAME, nullable=False),
        sa.PrimaryKeyConstraint("tag", "kind", "resource_id", name="pk_tags"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tags_kind_resource_id", "tags", ["kind", "resource_id"])
