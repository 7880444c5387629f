"""Artifacts as messages."""

import datetime as dt
from collections.abc import Mapping, Sequence

from dioptra_controller.artifacts.ancestry import Ancestry, LineageJob
from dioptra_controller.artifacts.catalog import ArtifactRecord
from dioptra_controller.artifacts.garbage import Garbage
from dioptra_controller.rpc.encode import find_timestamp, write_pin
from dioptra_controller.rpc.listings import Tags
from dioptra_ray.api.controller.v1 import artifact_service_pb2 as pb
from dioptra_ray.api.controller.v1 import plugin_pb2
from dioptra_ray.wire.times import to_timestamp
from dioptra_ray.wire.values import write_value

_MOST_GARBAGE = 10_000


def write_artifact(
    record: ArtifactRecord, uri: str, *, tags: Tags, with_files: bool = True
) -> pb.Artifact:
    """Write an artifact; lists leave its files out."""
    lineage = record.lineage
    return pb.Artifact(
        id=record.id,
        name=record.name,
        job_id=lineage.job_id or 0,
        entrypoint=lineage.entrypoint,
        step=lineage.step,
        output=lineage.output,
        task=lineage.task,
        plugin_digest=lineage.plugin_digest,
        outputs=[plugin_pb2.TypedName(name=name, type=kind) for name, kind in lineage.outputs],
        is_directory=record.is_directory,
        basename=record.basename,
        files=_write_files(record) if with_files else (),
        size=record.size,
        digest=record.digest,
        uri=uri,
        create_time=to_timestamp(record.create_time),
        description=record.description,
        tags=tags.get(record.id, ()),
        delete_time=find_timestamp(record.delete_time),
        directories=record.manifest.directories if with_files else (),
        group=record.group,
    )


def write_lineage(found: Ancestry, uris: Mapping[int, str]) -> pb.GetArtifactLineageResponse:
    """Write a lineage."""
    return pb.GetArtifactLineageResponse(
        artifacts=[
            write_artifact(one, uris[one.id], tags={}, with_files=False)
            for one in found.artifacts.values()
        ],
        jobs=map(_write_job, found.jobs.values()),
        sweeps=[
            pb.LineageSweep(
                id=sweep.id,
                entrypoint=sweep.entrypoint,
                entrypoint_snapshot=sweep.entrypoint_snapshot,
                parameter=sweep.parameter,
            )
            for sweep in found.sweeps
        ],
        truncated=found.truncated,
    )


def write_garbage(found: Sequence[Garbage]) -> pb.CollectGarbageResponse:
    """Write what nobody needed."""
    shown = sorted(found, key=lambda one: one.stored.place)[:_MOST_GARBAGE]
    return pb.CollectGarbageResponse(
        garbage=[
            pb.Garbage(
                key=one.stored.place,
                objects=one.stored.objects,
                size=one.stored.size,
                update_time=to_timestamp(dt.datetime.fromtimestamp(one.stored.modified, dt.UTC)),
                reason=one.reason,
            )
            for one in shown
        ],
        count=len(found),
        size=sum(one.stored.size for one in found),
    )


def _write_job(job: LineageJob) -> pb.LineageJob:
    return pb.LineageJob(
        id=job.id,
        entrypoint=job.entrypoint,
        entrypoint_snapshot=job.entrypoint_snapshot,
        entrypoint_deleted=job.entrypoint_deleted,
        inputs=job.inputs,
        outputs=job.outputs,
        parameters={name: write_value(value) for name, value in job.parameters.items()},
        plugins=map(write_pin, job.plugins),
    )


def _write_files(record: ArtifactRecord) -> list[pb.ArtifactFile]:
    return [
        pb.ArtifactFile(
            path=file.path, size=file.size, digest=file.digest, media_type=file.media_type
        )
        for file in record.manifest.files
    ]
