"""Queues, experiments, imports and the deployment as the client knows them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from dioptra_ray.api.controller.v1 import (
    cluster_service_pb2,
    experiment_service_pb2,
    queue_service_pb2,
    registry_service_pb2,
)
from dioptra_ray.language.issues import Issue
from dioptra_ray.wire.environments import read_environment
from dioptra_ray.wire.issues import read_issue
from dioptra_ray.wire.times import find_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Where jobs wait.

    Attributes:
        name: Its name.
        description: Free text.
        queued_jobs: How many jobs wait in it.
        started_jobs: How many jobs of it run.
        runners: The connected runners that serve it.
        created: When the snapshot was made.
        snapshot: Number of the newest snapshot.
        tags: Its tags, sorted.
        deleted: When it was deleted, if it was.
        environment: Where and with what its jobs run, as `queues.create` takes it.
        max_started_jobs: At most so many of its jobs run at once; 0 for no limit.
        priority: Queues with a higher one go first; 0 is normal.
        group: What it belongs to.
    """

    name: str
    description: str
    queued_jobs: int
    started_jobs: int
    runners: tuple[str, ...]
    created: datetime | None
    snapshot: int = 1
    tags: tuple[str, ...] = ()
    deleted: datetime | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    max_started_jobs: int = 0
    priority: int = 0
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A namespace for jobs."""

    name: str
    description: str
    created: datetime | None
    snapshot: int = 1
    tags: tuple[str, ...] = ()
    deleted: datetime | None = None
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedResource:
    """What an import did to one resource: outcome is created, updated or unchanged."""

    kind: str
    name: str
    snapshot: int
    outcome: str


class Imported(tuple[ImportedResource, ...]):  # noqa: SLOT001 - tuples can have no slots
    """What an import did to each resource.

    Attributes:
        warnings: Problems of the project that do not stop anything from running.
    """

    warnings: tuple[Issue, ...]

    def __new__(
        cls, resources: Iterable[ImportedResource], *, warnings: Iterable[Issue] = ()
    ) -> Self:
        """Make one of what happened, and what was noticed."""
        made = super().__new__(cls, tuple(resources))
        made.warnings = tuple(warnings)
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of a Ray cluster, with all that it has, busy or not."""

    id: str
    address: str
    resources: Mapping[str, float]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """A connected runner."""

    name: str
    queues: tuple[str, ...]
    started_jobs: int
    slots: int
    resources: Mapping[str, float]
    last_seen: datetime | None
    ray_address: str
    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The deployment as an operator sees it."""

    version: str
    store_url: str
    runners: tuple[Runner, ...]


def read_queue(message: queue_service_pb2.Queue) -> Queue:
    """Read a queue."""
    return Queue(
        name=message.name,
        description=message.description,
        queued_jobs=message.queued_jobs,
        started_jobs=message.started_jobs,
        runners=tuple(message.runners),
        created=find_time(message, "create_time"),
        snapshot=message.snapshot,
        tags=tuple(message.tags),
        deleted=find_time(message, "delete_time"),
        environment=read_environment(message.environment),
        max_started_jobs=message.max_started_jobs,
        priority=message.priority,
        group=message.group,
    )


def read_experiment(message: experiment_service_pb2.Experiment) -> Experiment:
    """Read an experiment."""
    return Experiment(
        name=message.name,
        description=message.description,
        created=find_time(message, "create_time"),
        snapshot=message.snapshot,
        tags=tuple(message.tags),
        deleted=find_time(message, "delete_time"),
        group=message.group,
    )


def read_imported(message: registry_service_pb2.ImportResourcesResponse) -> Imported:
    """Read what an import did."""
    return Imported(
        map(_read_imported, message.resources), warnings=map(read_issue, message.warnings)
    )


def _read_imported(message: registry_service_pb2.ImportedResource) -> ImportedResource:
    outcome = registry_service_pb2.ImportOutcome.Name(message.outcome)
    return ImportedResource(
        kind=message.kind,
        name=message.name,
        snapshot=message.snapshot,
        outcome=outcome.removeprefix("IMPORT_OUTCOME_").lower(),
    )


def read_cluster(message: cluster_service_pb2.GetClusterResponse) -> Cluster:
    """Read the deployment."""
    return Cluster(
        version=message.version,
        store_url=message.store_url,
        runners=tuple(map(_read_runner, message.runners)),
    )


def _read_runner(message: cluster_service_pb2.Runner) -> Runner:
    return Runner(
        name=message.name,
        queues=tuple(message.queues),
        started_jobs=message.started_jobs,
        slots=message.slots,
        resources=dict(message.resources),
        last_seen=find_time(message, "last_seen"),
        ray_address=message.ray_address,
        nodes=tuple(map(_read_node, message.nodes)),
    )


def _read_node(message: cluster_service_pb2.Node) -> Node:
    return Node(
        id=message.id,
        address=message.address,
        resources=dict(message.resources),
        labels=dict(message.labels),
    )
