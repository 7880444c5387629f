"""Lineages as the client knows them, and how to read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dioptra_ray.api.controller.v1 import artifact_service_pb2 as pb
from dioptra_ray.wire.artifacts import Artifact, read_artifact
from dioptra_ray.wire.entrypoints import PluginPin, read_pin
from dioptra_ray.wire.values import read_value


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageJob:
    """A job in a lineage: what it read, by artifact parameter, and what it made."""

    id: int
    entrypoint: str
    entrypoint_snapshot: int
    entrypoint_deleted: bool
    inputs: Mapping[str, int]
    outputs: tuple[int, ...]
    parameters: Mapping[str, Any]
    plugins: tuple[PluginPin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageSweep:
    """A sweep whose trials read the artifact through a parameter."""

    id: int
    entrypoint: str
    entrypoint_snapshot: int
    parameter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What an artifact was made from, and what was made with it.

    Attributes:
        artifacts: The artifact that was asked for, then the others; without their files.
        jobs: The jobs between them.
        sweeps: Sweeps that read it; their trials are not among the jobs.
        truncated: Whether there is more than is shown.
    """

    artifacts: tuple[Artifact, ...]
    jobs: tuple[LineageJob, ...]
    sweeps: tuple[LineageSweep, ...]
    truncated: bool

    def maker(self, artifact: int) -> LineageJob | None:
        """The job that made an artifact, if it is shown."""
        return next((job for job in self.jobs if artifact in job.outputs), None)

    def users(self, artifact: int) -> tuple[LineageJob, ...]:
        """The jobs that read an artifact, as far as they are shown."""
        return tuple(job for job in self.jobs if artifact in job.inputs.values())


def read_lineage(message: pb.GetArtifactLineageResponse) -> Lineage:
    """Read a lineage."""
    return Lineage(
        artifacts=tuple(map(read_artifact, message.artifacts)),
        jobs=tuple(map(_read_job, message.jobs)),
        sweeps=tuple(
            LineageSweep(
                id=sweep.id,
                entrypoint=sweep.entrypoint,
                entrypoint_snapshot=sweep.entrypoint_snapshot,
                parameter=sweep.parameter,
            )
            for sweep in message.sweeps
        ),
        truncated=message.truncated,
    )


def _read_job(message: pb.LineageJob) -> LineageJob:
    return LineageJob(
        id=message.id,
        entrypoint=message.entrypoint,
        entrypoint_snapshot=message.entrypoint_snapshot,
        entrypoint_deleted=message.entrypoint_deleted,
        inputs=dict(message.inputs),
        outputs=tuple(message.outputs),
        parameters={name: read_value(value) for name, value in sorted(message.parameters.items())},
        plugins=tuple(map(read_pin, message.plugins)),
    )
