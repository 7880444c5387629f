"""The Python client: `Client`, and the values that it hands out. Nothing here is protobuf."""

from dioptra_ray.client.client import Client
from dioptra_ray.client.job import Job
from dioptra_ray.client.sweeps import Sweep
from dioptra_ray.wire.access import AuditRecord, Caller, Group, Token
from dioptra_ray.wire.artifacts import Artifact, ArtifactFile
from dioptra_ray.wire.deployment import (
    Cluster,
    Experiment,
    Imported,
    ImportedResource,
    Queue,
    Runner,
)
from dioptra_ray.wire.entrypoints import Entrypoint, EntrypointDraft, Parameter
from dioptra_ray.wire.jobs import (
    Failure,
    JobEvent,
    JobRecord,
    LogRecord,
    MetricPoint,
    MetricSeries,
    Step,
)
from dioptra_ray.wire.lineage import Lineage, LineageJob, LineageSweep
from dioptra_ray.wire.plugins import ParameterType, Plugin, RegisteredTask, Task, TypedName
from dioptra_ray.wire.resources import Diff, Difference, Resource, Snapshot, Tag
from dioptra_ray.wire.sweeps import SweepProgress, SweepRecord, TrialResult

__all__ = [
    "Artifact",
    "ArtifactFile",
    "AuditRecord",
    "Caller",
    "Client",
    "Cluster",
    "Diff",
    "Difference",
    "Entrypoint",
    "EntrypointDraft",
    "Experiment",
    "Failure",
    "Group",
    "Imported",
    "ImportedResource",
    "Job",
    "JobEvent",
    "JobRecord",
    "Lineage",
    "LineageJob",
    "LineageSweep",
    "LogRecord",
    "MetricPoint",
    "MetricSeries",
    "Parameter",
    "ParameterType",
    "Plugin",
    "Queue",
    "RegisteredTask",
    "Resource",
    "Runner",
    "Snapshot",
    "Step",
    "Sweep",
    "SweepProgress",
    "SweepRecord",
    "Tag",
    "Task",
    "Token",
    "TrialResult",
    "TypedName",
]
