"""Artifacts as the client knows them, and how to read them from messages."""

from dataclasses import dataclass
from datetime import datetime

from dioptra_ray.api.controller.v1 import artifact_service_pb2 as pb
from dioptra_ray.wire.times import find_time


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactFile:
    """One file of an artifact."""

    path: str
    size: int
    digest: str
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A stored output of a job, or an upload: one file or a directory.

    Attributes:
        id: Its number.
        name: The artifact output's name, or the name given on upload.
        job: The job that made it; None for an upload.
        entrypoint: The entrypoint of that job.
        step: The step whose output it holds; may be empty.
        output: The output of that step; may be empty.
        task: Id of the artifact task that can read it, "plugin.module.Class".
        plugin_digest: Digest of the plugin snapshot with that task.
        outputs: (name, type) of what reading it provides, in order.
        is_directory: Whether it is a directory.
        basename: Name of the file or directory.
        files: Its files; empty in lists.
        size: Total size in bytes.
        digest: Checksum of the whole.
        uri: Where its bytes lie.
        created: When it became visible.
        description: Free text.
        tags: Sorted.
        deleted: When it was deleted; its bytes are gone then.
        directories: Its sub-directories without files; empty in lists.
    """

    id: int
    name: str
    job: int | None
    entrypoint: str
    step: str
    output: str
    task: str
    plugin_digest: str
    outputs: tuple[tuple[str, str], ...]
    is_directory: bool
    basename: str
    files: tuple[ArtifactFile, ...]
    size: int
    digest: str
    uri: str
    created: datetime | None
    description: str = ""
    tags: tuple[str, ...] = ()
    deleted: datetime | None = None
    directories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """Something in the artifact store that nothing refers to.

    Attributes:
        key: Its name in the store, or the folder of what lies below it.
        objects: How many objects.
        size: Bytes.
        updated: When the newest of them was written.
        reason: Why nobody needs it.
    """

    key: str
    objects: int
    size: int
    updated: datetime | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GarbageCollection:
    """What was deleted from the artifact store, or would be.

    Attributes:
        garbage: Sorted by key; at most 10,000 of them.
        count: How many there are.
        size: Bytes, of all together.
    """

    garbage: tuple[Garbage, ...]
    count: int
    size: int


def read_garbage(message: pb.CollectGarbageResponse) -> GarbageCollection:
    """Read what was collected."""
    return GarbageCollection(
        garbage=tuple(
            Garbage(
                key=one.key,
                objects=one.objects,
                size=one.size,
                updated=find_time(one, "update_time"),
                reason=one.reason,
            )
            for one in message.garbage
        ),
        count=message.count,
        size=message.size,
    )


def read_artifact(message: pb.Artifact) -> Artifact:
    """Read an artifact."""
    return Artifact(
        id=message.id,
        name=message.name,
        job=message.job_id or None,
        entrypoint=message.entrypoint,
        step=message.step,
        output=message.output,
        task=message.task,
        plugin_digest=message.plugin_digest,
        outputs=tuple((output.name, output.type) for output in message.outputs),
        is_directory=message.is_directory,
        basename=message.basename,
        files=tuple(map(_read_file, message.files)),
        size=message.size,
        digest=message.digest,
        uri=message.uri,
        created=find_time(message, "create_time"),
        description=message.description,
        tags=tuple(message.tags),
        deleted=find_time(message, "delete_time"),
        directories=tuple(message.directories),
    )


def _read_file(message: pb.ArtifactFile) -> ArtifactFile:
    return ArtifactFile(
        path=message.path,
        size=message.size,
        digest=message.digest,
        media_type=message.media_type,
    )
