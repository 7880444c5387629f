"""The files that Dioptra puts into a job's working directory before its first step."""

import json
from pathlib import Path

from dioptra_workers.stage.request import JobContext


def write_job_files(job: JobContext, description: str, directory: Path) -> None:
    """Write `parameters.json`, `artifact_parameters.json` and `<entrypoint>.yml`."""
    artifacts = {
        given.name: {"id": given.artifact_id, "outputs": list(given.outputs)}
        for given in job.artifact_inputs
    }
    name = job.entrypoint.replace("/", "_").replace("\0", "")[:200] or "entrypoint"
    (directory / "parameters.json").write_bytes(job.parameters_json)
    (directory / "artifact_parameters.json").write_text(json.dumps(artifacts), encoding="utf-8")
    (directory / f"{name}.yml").write_text(description, encoding="utf-8")
