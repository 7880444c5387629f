"""The Python client: `Client`, and the values that it hands out. Nothing here is protobuf."""

from dioptra_ray.client.client import Client
from dioptra_ray.client.job import Job
from dioptra_ray.client.sweeps import Sweep
from dioptra_ray.wire.artifacts import Artifact, ArtifactFile
from dioptra_ray.wire.deployment import Cluster, Experiment, ImportedResource, Queue, Runner
from dioptra_ray.wire.entrypoints import Entrypoint, Parameter
from dioptra_ray.wire.jobs import (
    Failure,
    JobEvent,
    JobRecord,
    LogRecord,
    MetricPoint,
    MetricSeries,
    Step,
)
from dioptra_ray.wire.plugins import ParameterType, Plugin, Task, TypedName
from dioptra_ray.wire.sweeps import SweepProgress, SweepRecord, TrialResult

__all__ = [
    "Artifact",
    "ArtifactFile",
    "Client",
    "Cluster",
    "Entrypoint",
    "Experiment",
    "Failure",
    "ImportedResource",
    "Job",
    "JobEvent",
    "JobRecord",
    "LogRecord",
    "MetricPoint",
    "MetricSeries",
    "Parameter",
    "ParameterType",
    "Plugin",
    "Queue",
    "Runner",
    "Step",
    "Sweep",
    "SweepProgress",
    "SweepRecord",
    "Task",
    "TrialResult",
    "TypedName",
]
