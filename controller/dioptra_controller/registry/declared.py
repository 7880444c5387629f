"""What an entrypoint was declared with, as JSON and back.

The description of a snapshot holds the result; this is what it takes to put it together
again over other plugin snapshots.
"""

from collections.abc import Mapping
from typing import Any

from dioptra_ray.project.model import (
    ArtifactParameter,
    EntrypointParameter,
    ProjectEntrypoint,
    TaskOutput,
)


def write_declared(entrypoint: ProjectEntrypoint) -> dict[str, Any]:
    """Write what neither the source nor the plugins say."""
    return {
        "parameters": [
            {
                "name": parameter.name,
                "kind": parameter.kind,
                **({"default": parameter.default} if parameter.has_default else {}),
            }
            for parameter in entrypoint.parameters
        ],
        "artifact_parameters": [
            {"name": one.name, "outputs": [[output.name, output.type] for output in one.outputs]}
            for one in entrypoint.artifact_parameters
        ],
        "plugins": list(entrypoint.plugins),
    }


def read_declared(
    data: Mapping[str, Any], *, name: str, description: str, source: str, source_file: str
) -> ProjectEntrypoint:
    """Read it, beside what else an entrypoint is declared with."""
    return ProjectEntrypoint(
        name=name,
        description=description,
        parameters=tuple(map(_read_parameter, data.get("parameters", ()))),
        artifact_parameters=tuple(
            ArtifactParameter(
                name=one["name"],
                outputs=tuple(TaskOutput(name=name, type=kind) for name, kind in one["outputs"]),
            )
            for one in data.get("artifact_parameters", ())
        ),
        plugins=tuple(data.get("plugins", ())),
        source=source,
        source_file=source_file,
    )


def _read_parameter(data: Mapping[str, Any]) -> EntrypointParameter:
    return EntrypointParameter(
        name=data["name"],
        kind=data["kind"],
        default=data.get("default"),
        has_default="default" in data,
    )
