"""Project folders: what a `dioptra.toml` registers, and what its entrypoints come to.

Pure: everything works on files already read, and source is parsed, never imported.
"""

from dioptra_ray.project.compose import ComposedEntrypoint, compose_description
from dioptra_ray.project.model import (
    ArtifactTask,
    FunctionTask,
    Project,
    ProjectEntrypoint,
    ProjectPlugin,
    ProjectType,
)
from dioptra_ray.project.reader import read_project

__all__ = [
    "ArtifactTask",
    "ComposedEntrypoint",
    "FunctionTask",
    "Project",
    "ProjectEntrypoint",
    "ProjectPlugin",
    "ProjectType",
    "compose_description",
    "read_project",
]
