from typing import Any

from dioptra_controller.jobs.outline import ArtifactOutline, StepOutline, make_outline
from dioptra_ray.planning.plan import Plan, PluginBundle, Stage

DESCRIPTION: dict[str, Any] = {
    "parameters": {"p": 1},
    "tasks": {"t": {"plugin": "lab.m.t", "outputs": {"o": "any"}}},
    "graph": {"b": {"t": []}, "a": {"task": "t", "args": ["$b"]}},
    "artifact_outputs": {
        "one": {"contents": "$a.o", "task": {"name": "Save"}},
        "two": {"contents": "$b", "task": {"name": "Save"}},
        "three": {"contents": "$p", "task": {"name": "Other"}},
        "four": {"contents": "$$text", "task": {"name": "Save"}},
    },
}
PLAN = Plan(
    description=DESCRIPTION,
    stages=(Stage(name="s0", steps=("b",)), Stage(name="s1", steps=("a",))),
    plugins=(PluginBundle(name="lab", digest="sha256:1"),),
    artifact_tasks=(("Save", "lab.artifacts.Save"), ("Other", "gone.artifacts.Other")),
    order=("b", "a"),
)


def test_steps_come_in_the_order_of_execution_with_task_and_stage() -> None:
    assert make_outline(PLAN).steps == (
        StepOutline(name="b", task="t", stage="s0"),
        StepOutline(name="a", task="t", stage="s1", after=("b",)),
    )


def test_artifacts_know_where_they_come_from_and_who_writes_them() -> None:
    def outline(step: str, output: str) -> ArtifactOutline:
        return ArtifactOutline(
            step=step, output=output, task="lab.artifacts.Save", plugin_digest="sha256:1"
        )

    other = ArtifactOutline(step="", output="", task="gone.artifacts.Other", plugin_digest="")
    assert make_outline(PLAN).artifacts == {
        "one": outline("a", "o"),
        "two": outline("b", ""),
        "three": other,
        "four": outline("", ""),
    }
