"""A task as a row of a table."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dioptra_ray.client import Task


def task_row(kind: str, task: "Task") -> tuple[str, str, str, str, str]:
    """Id, kind, inputs, outputs and place of a task."""
    inputs = ", ".join(
        f"{one.name}{'' if one.required else '?'}: {one.type}" for one in task.inputs
    )
    outputs = ", ".join(f"{one.name}: {one.type}" for one in task.outputs)
    return (task.id, kind, inputs, outputs, f"{task.file}:{task.line}")
