import json

from dioptra_controller.registry.declared import read_declared, write_declared
from dioptra_ray.project.model import (
    ArtifactParameter,
    EntrypointParameter,
    ProjectEntrypoint,
    TaskOutput,
)


def test_what_an_entrypoint_was_declared_with_survives_json():
    declared = ProjectEntrypoint(
        name="e",
        description="d",
        parameters=(
            EntrypointParameter(name="a", kind="string"),
            EntrypointParameter(name="b", kind="string", default=None, has_default=True),
            EntrypointParameter(name="c", kind="mapping", default={"z": [1]}, has_default=True),
        ),
        artifact_parameters=(
            ArtifactParameter(
                name="m",
                outputs=(TaskOutput(name="x", type="T"), TaskOutput(name="y", type="any")),
            ),
        ),
        plugins=("q", "p"),
        source="graph: {}",
        source_file="e.yaml",
    )
    data = json.loads(json.dumps(write_declared(declared)))
    read = read_declared(data, name="e", description="d", source="graph: {}", source_file="e.yaml")
    assert read == declared
