"""The rows of artifacts: what they are, where they lie, and where they came from."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import RowMapping, or_, select

from dioptra_controller import paging
from dioptra_controller.access import checks
from dioptra_controller.access.caller import DEFAULT_GROUP, Role, current
from dioptra_controller.database.job_tables import JOBS
from dioptra_controller.database.registry_tables import ARTIFACTS
from dioptra_controller.database.statements import contains
from dioptra_controller.registry.listing import has_tag
from dioptra_controller.registry.names import check_text
from dioptra_ray.errors import NotFoundError
from dioptra_ray.store.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where an artifact came from, and what can read it.

    Attributes:
        job_id: The job that made it; None for an upload.
        entrypoint: The entrypoint of that job; empty for an upload.
        step: The step whose output it holds; may be empty.
        output: The output of that step; may be empty.
        task: Id of the artifact task, "plugin.module.Class"; may be empty for an upload.
        plugin_digest: Bundle with that task.
        outputs: (name, type) of what the task's `deserialize` returns, in order.
    """

    job_id: int | None = None
    entrypoint: str = ""
    step: str = ""
    output: str = ""
    task: str = ""
    plugin_digest: str = ""
    outputs: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRecord:
    """A stored artifact, all of whose bytes are there.

    Attributes:
        id: Unique, increasing, never used twice.
        name: The artifact output's name, or the name given on upload.
        key: In the artifact store.
        lineage: Where it came from.
        is_directory: Whether it is a directory.
        basename: Name of the file or directory.
        size: Total, in bytes.
        digest: Of the whole.
        manifest_json: What the store says about its files.
        create_time: When it became visible.
        description: Free text.
        delete_time: When it was deleted; its bytes are gone then, or will be soon.
    """

    id: int
    name: str
    key: str
    lineage: Lineage
    is_directory: bool
    basename: str
    size: int
    digest: str
    manifest_json: str
    create_time: dt.datetime
    description: str = ""
    delete_time: dt.datetime | None = None
    group: str = ""
    owner: str = ""

    @property
    def manifest(self) -> Manifest:
        """What it consists of."""
        return Manifest.from_json(self.manifest_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactFilter:
    """Which artifacts to list; 0 and empty mean all.

    Attributes:
        job_id: Of this job.
        name: With exactly this name.
        entrypoint: Of jobs of this entrypoint.
        search: With this text in the name or the description.
        tag: With this tag.
        deleted: Those that were deleted, instead of those that exist.
    """

    job_id: int = 0
    name: str = ""
    entrypoint: str = ""
    search: str = ""
    tag: str = ""
    deleted: bool = False


def record(  # noqa: PLR0913 - one argument a fact
    connection: sqlalchemy.Connection,
    *,
    name: str,
    key: str,
    manifest_json: str,
    lineage: Lineage | None = None,
    description: str = "",
    group: str = "",
) -> int:
    """Make a stored artifact visible, and return its id.

    Args:
        connection: The transaction.
        name: Of the artifact.
        key: Where its bytes lie in the store; no two artifacts share one.
        manifest_json: `Manifest.to_json()` of the store.
        lineage: Where it came from; None for an upload that nothing is known of.
        description: Free text.
        group: What it belongs to; an output of a job belongs where its job does.
    """
    known = lineage or Lineage()
    manifest = Manifest.from_json(manifest_json)
    row = {
        "name": name,
        "key": key,
        "description": description,
        "job_id": known.job_id,
        "entrypoint": known.entrypoint,
        "step": known.step,
        "output": known.output,
        "task": known.task,
        "plugin_digest": known.plugin_digest,
        "outputs": [list(output) for output in known.outputs],
        "is_directory": manifest.is_directory,
        "basename": manifest.basename,
        "size": manifest.size,
        "digest": manifest.digest,
        "manifest": manifest_json,
        "create_time": dt.datetime.now(dt.UTC),
        **_belonging(known, group),
    }
    statement = ARTIFACTS.insert().values(**row).returning(ARTIFACTS.c.id)
    return int(connection.execute(statement).scalar_one())


def _belonging(lineage: Lineage, group: str) -> dict[str, Any]:
    if lineage.job_id is None:
        return {"group_name": group or DEFAULT_GROUP, "owner": current().subject}
    job = JOBS.c.id == lineage.job_id
    return {name: select(JOBS.c[name]).where(job).scalar_subquery() for name in _OF_THE_JOB}


_OF_THE_JOB = ("group_name", "owner")


def get(connection: sqlalchemy.Connection, artifact_id: int) -> ArtifactRecord:
    """Read an artifact, also one that was deleted.

    Raises:
        NotFoundError: There is none with that id, or the caller may not see it.
    """
    query = select(ARTIFACTS).where(ARTIFACTS.c.id == artifact_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None or not checks.is_visible(row["group_name"]):
        raise NotFoundError(f"there is no artifact {artifact_id}", kind="artifact")
    return _read(row)


def refuse_deleted(artifact: ArtifactRecord) -> None:
    """Raise if an artifact was deleted.

    Raises:
        NotFoundError: It was.
    """
    if artifact.delete_time is not None:
        raise NotFoundError(
            f"artifact {artifact.id} ({artifact.name}) was deleted at "
            f"{artifact.delete_time:%Y-%m-%d %H:%M:%S} UTC",
            kind="artifact",
        )


def describe(connection: sqlalchemy.Connection, artifact_id: int, description: str) -> bool:
    """Change the description; returns whether it was another one.

    Raises:
        InvalidRequestError: It is not allowed.
        NotFoundError: There is no such artifact, or it was deleted.
    """
    check_text(f"artifact {artifact_id}", description)
    found = get(connection, artifact_id)
    refuse_deleted(found)
    checks.require(Role.SUBMITTER, found.group)
    statement = ARTIFACTS.update().where(ARTIFACTS.c.id == artifact_id)
    connection.execute(statement.values(description=description))
    return found.description != description


def list_page(
    connection: sqlalchemy.Connection, page: paging.PageRequest, wanted: ArtifactFilter
) -> paging.Page[ArtifactRecord]:
    """One page of artifacts, the newest first."""
    size = paging.page_size(page.size)
    bound = ("artifacts", *astuple(wanted))
    after = paging.decode(page.token, *bound)
    query = select(ARTIFACTS).order_by(ARTIFACTS.c.id.desc()).limit(size + 1)
    query = query.where(checks.visible(ARTIFACTS.c.group_name))
    if wanted.job_id:
        query = query.where(ARTIFACTS.c.job_id == wanted.job_id)
    if wanted.name:
        query = query.where(ARTIFACTS.c.name == wanted.name)
    if wanted.entrypoint:
        query = query.where(ARTIFACTS.c.entrypoint == wanted.entrypoint)
    if wanted.search:
        found = [contains(ARTIFACTS.c[key], wanted.search) for key in ("name", "description")]
        query = query.where(or_(*found))
    if wanted.tag:
        query = query.where(has_tag("artifact", ARTIFACTS.c.id, wanted.tag))
    deleted = ARTIFACTS.c.delete_time
    query = query.where(deleted.is_not(None) if wanted.deleted else deleted.is_(None))
    if after is not None:
        query = query.where(ARTIFACTS.c.id < after[0])
    rows = [_read(row) for row in connection.execute(query).mappings()]
    return paging.slice_page(rows, size, *bound, key=lambda row: [row.id])


def _read(row: RowMapping) -> ArtifactRecord:
    return ArtifactRecord(
        id=row["id"],
        name=row["name"],
        key=row["key"],
        lineage=Lineage(
            job_id=row["job_id"],
            entrypoint=row["entrypoint"],
            step=row["step"],
            output=row["output"],
            task=row["task"],
            plugin_digest=row["plugin_digest"],
            outputs=tuple((name, kind) for name, kind in row["outputs"]),
        ),
        is_directory=row["is_directory"],
        basename=row["basename"],
        size=row["size"],
        digest=row["digest"],
        manifest_json=row["manifest"],
        create_time=row["create_time"],
        description=row["description"],
        delete_time=row["delete_time"],
        group=row["group_name"],
        owner=row["owner"] or "",
    )
