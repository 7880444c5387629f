"""A task that nobody registered by hand has an output for each member of its tuple."""

from dioptra_ray.project import read_plugin

SOURCE = b"""
from dioptra import pyplugs
from dioptra.sdk.api.artifact import ArtifactTaskInterface


@pyplugs.register
def split(x: int) -> tuple[int, str]: ...


@pyplugs.register
def single(x: int) -> tuple[int]: ...


class Pair(ArtifactTaskInterface):
    @staticmethod
    def deserialize(working_dir, path, **kwargs) -> "tuple[str, int]": ...
"""


def test_a_tuple_is_several_outputs() -> None:
    plugin, issues = read_plugin("maths", {"tasks.py": SOURCE})
    assert not [issue for issue in issues if issue.severity == "error"]
    functions = {task.name: task for task in plugin.function_tasks}
    outputs = [(output.name, output.type) for output in functions["split"].outputs]
    assert outputs == [("output_1", "integer"), ("output_2", "string")]
    assert [output.name for output in functions["single"].outputs] == ["output"]
    (artifact,) = plugin.artifact_tasks
    assert [output.type for output in artifact.outputs] == ["string", "integer"]
