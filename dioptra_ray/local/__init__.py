"""Running an entrypoint in this process: no server, no Ray."""

from dioptra_ray.local.artifacts import Artifact
from dioptra_ray.local.result import RunResult
from dioptra_ray.local.run import run

__all__ = ["Artifact", "RunResult", "run"]
