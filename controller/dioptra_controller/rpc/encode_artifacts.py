"""Artifacts as messages."""

from dioptra_controller.artifacts.catalog import ArtifactRecord
from dioptra_ray.api.controller.v1 import artifact_service_pb2 as pb
from dioptra_ray.api.controller.v1 import plugin_pb2
from dioptra_ray.wire.times import to_timestamp


def write_artifact(
    record: ArtifactRecord, store_url: str, *, with_files: bool = True
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
        uri=f"{store_url.rstrip('/')}/{record.key}",
        create_time=to_timestamp(record.create_time),
    )


def _write_files(record: ArtifactRecord) -> list[pb.ArtifactFile]:
    return [
        pb.ArtifactFile(
            path=file.path, size=file.size, digest=file.digest, media_type=file.media_type
        )
        for file in record.manifest.files
    ]
