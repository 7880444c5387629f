"""What all registered things have in common, as the client knows it: history, tags."""

from dataclasses import dataclass
from datetime import datetime

from dioptra_ray.api.controller.v1 import resource_pb2, resource_service_pb2
from dioptra_ray.wire.times import find_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One entry of a history; `deleted` is when what it belongs to was deleted."""

    snapshot: int
    description: str
    digest: str
    created: datetime | None
    deleted: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One part that differs: `change` is added, removed or changed; texts have `unified`."""

    part: str
    name: str
    change: str
    before: str
    after: str
    unified: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """What differs between two snapshots; nothing when only their numbers do."""

    old: int
    new: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag in use, and on how many things."""

    name: str
    resources: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something with a name; of an artifact or a job that is its number."""

    kind: str
    name: str


def write_resource(kind: str, name: str | int) -> resource_pb2.Resource:
    """Write which thing is meant."""
    number = resource_pb2.ResourceKind.Value(f"RESOURCE_KIND_{kind.upper()}")
    return resource_pb2.Resource(kind=number, name=str(name))


def write_mode(mode: str) -> resource_pb2.PutMode.ValueType:
    """Write "create", "update" or "upsert"."""
    return resource_pb2.PutMode.Value(f"PUT_MODE_{mode.upper()}")


def read_resource(message: resource_pb2.Resource) -> Resource:
    """Read which thing is meant."""
    kind = resource_pb2.ResourceKind.Name(message.kind)
    return Resource(kind=kind.removeprefix("RESOURCE_KIND_").lower(), name=message.name)


def read_snapshot(message: resource_pb2.SnapshotSummary) -> Snapshot:
    """Read an entry of a history."""
    return Snapshot(
        snapshot=message.number,
        description=message.description,
        digest=message.digest,
        created=find_time(message, "create_time"),
        deleted=find_time(message, "delete_time"),
    )


def read_diff(message: resource_service_pb2.DiffSnapshotsResponse) -> Diff:
    """Read what differs."""
    return Diff(
        old=message.old_snapshot,
        new=message.new_snapshot,
        differences=tuple(map(_read_difference, message.differences)),
    )


def read_tag(message: resource_service_pb2.Tag) -> Tag:
    """Read a tag."""
    return Tag(name=message.name, resources=message.resources)


def _read_difference(message: resource_pb2.Difference) -> Difference:
    change = resource_pb2.Change.Name(message.change)
    return Difference(
        part=message.part,
        name=message.name,
        change=change.removeprefix("CHANGE_").lower(),
        before=message.before,
        after=message.after,
        unified=message.unified,
    )
