"""What the runner and a warm process say to each other, as JSON in frames.

No pickles: a warm process runs what users wrote, and the runner takes nothing from there
that could be more than a value. Lone surrogates, NaN and the infinities pass as they are.
"""

import json
import struct
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

from dioptra_workers.stage.events import read_event, write_event
from dioptra_workers.stage.request import (
    ArtifactInput,
    JobContext,
    StageFailure,
    StageReport,
    StoredArtifact,
)

LENGTH = struct.Struct("!I")
_encode = json.JSONEncoder(separators=(",", ":")).encode


def write_frame(value: Any) -> bytes:
    """A value as a frame: its length, then JSON."""
    content = _encode(value).encode()
    return LENGTH.pack(len(content)) + content


def read_frame(receive: Callable[[int], bytes]) -> Any:
    """Read a value.

    Args:
        receive: Gives exactly so many bytes, or fewer at the end.

    Raises:
        EOFError: The other side is gone.
    """
    header = receive(LENGTH.size)
    if len(header) < LENGTH.size:
        raise EOFError
    (size,) = LENGTH.unpack(header)
    content = receive(size)
    if len(content) < size:
        raise EOFError
    return json.loads(content)


def write_job(job: JobContext) -> list[Any]:
    """A job's context as plain values."""
    return [
        job.job_id,
        job.attempt,
        job.parameters_json.decode(),
        [astuple(given) for given in job.artifact_inputs],
        job.entrypoint,
        job.experiment,
    ]


def read_job(values: list[Any]) -> JobContext:
    """Read what `write_job` wrote."""
    job_id, attempt, parameters, inputs, entrypoint, experiment = values
    return JobContext(
        job_id=job_id,
        attempt=attempt,
        parameters_json=parameters.encode(),
        artifact_inputs=tuple(map(_read_input, inputs)),
        entrypoint=entrypoint,
        experiment=experiment,
    )


def _read_input(values: list[Any]) -> ArtifactInput:
    name, artifact_id, key, manifest, task, digest, outputs = values
    return ArtifactInput(
        name=name,
        artifact_id=artifact_id,
        key=key,
        manifest_json=manifest,
        task=task,
        plugin_digest=digest,
        outputs=tuple(outputs),
    )


def write_report(report: StageReport) -> list[Any]:
    """A report as plain values."""
    failure = report.failure
    return [
        report.outcome,
        None if failure is None else astuple(failure),
        report.first_event,
        [write_event(event) for event in report.events],
        [(one.name, one.key, one.manifest_json) for one in report.artifacts],
        report.retire,
    ]


def read_report(values: list[Any]) -> StageReport:
    """Read what `write_report` wrote."""
    outcome, failure, first, events, artifacts, retire = values
    return StageReport(
        outcome=outcome,
        failure=None if failure is None else _read_failure(failure),
        first_event=first,
        events=tuple(map(read_event, events)),
        artifacts=tuple(
            StoredArtifact(name=name, key=key, manifest_json=manifest)
            for name, key, manifest in artifacts
        ),
        retire=retire,
    )


def _read_failure(values: list[Any]) -> StageFailure:
    found = dict(zip(StageFailure.__slots__, values, strict=True))
    return StageFailure(**{**found, "classes": tuple(found["classes"])})
