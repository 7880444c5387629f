"""The files that Dioptra puts into a job's working directory before its first step."""

import json
import os
from pathlib import Path

from dioptra_workers.stage.request import JobContext


def write_job_files(job: JobContext, description: bytes, directory: Path) -> None:
    """Write `parameters.json`, `artifact_parameters.json` and `<entrypoint>.yml`."""
    artifacts = {
        given.name: {"id": given.artifact_id, "outputs": list(given.outputs)}
        for given in job.artifact_inputs
    }
    name = job.entrypoint.replace("/", "_").replace("\0", "")[:200] or "entrypoint"
    _write(f"{directory}/parameters.json", job.parameters_json)
    _write(f"{directory}/artifact_parameters.json", json.dumps(artifacts).encode())
    _write(f"{directory}/{name}.yml", description)


def _write(path: str, content: bytes) -> None:
    # Every stage does it, and `Path.write_bytes` takes five times as long.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        while content:
            content = content[os.write(file, content) :]
    finally:
        os.close(file)
