"""Project folders: what a `dioptra.toml` registers, and what its entrypoints come to.

Pure but for `adhoc` and `folder`: everything works on files already read, and source is
parsed, never imported.
"""

from dioptra_ray.project.compose import ComposedEntrypoint, compose_description
from dioptra_ray.project.folder import compose_entrypoint
from dioptra_ray.project.model import (
    ArtifactParameter,
    ArtifactTask,
    EntrypointParameter,
    FunctionTask,
    Place,
    Project,
    ProjectEntrypoint,
    ProjectPlugin,
    ProjectType,
    TaskInput,
    TaskOutput,
)
from dioptra_ray.project.reader import read_plugin, read_project

__all__ = [
    "ArtifactParameter",
    "ArtifactTask",
    "ComposedEntrypoint",
    "EntrypointParameter",
    "FunctionTask",
    "Place",
    "Project",
    "ProjectEntrypoint",
    "ProjectPlugin",
    "ProjectType",
    "TaskInput",
    "TaskOutput",
    "compose_description",
    "compose_entrypoint",
    "read_plugin",
    "read_project",
]
