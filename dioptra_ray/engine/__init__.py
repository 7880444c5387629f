"""Running steps in this process, as Dioptra would."""

from dioptra_ray.engine.artifacts import (
    argument_schema,
    failing_as_artifact,
    load_artifact_task,
    read_artifact,
)
from dioptra_ray.engine.errors import (
    ArtifactFailedError,
    ErrorDetail,
    JobCancelledError,
    MissingParametersError,
    StepFailedError,
)
from dioptra_ray.engine.execution import Execution, Observer
from dioptra_ray.engine.failure import describe_exception
from dioptra_ray.engine.parameters import resolve_parameters
from dioptra_ray.engine.program import Program

__all__ = [
    "ArtifactFailedError",
    "ErrorDetail",
    "Execution",
    "JobCancelledError",
    "MissingParametersError",
    "Observer",
    "Program",
    "StepFailedError",
    "argument_schema",
    "describe_exception",
    "failing_as_artifact",
    "load_artifact_task",
    "read_artifact",
    "resolve_parameters",
]
