"""Which artifact task can read an uploaded artifact."""

import difflib

import sqlalchemy

from dioptra_controller.artifacts.catalog import Lineage
from dioptra_controller.registry import plugins
from dioptra_ray.errors import InvalidRequestError, NotFoundError


def find_reader(connection: sqlalchemy.Connection, task_id: str) -> Lineage:
    """The artifact task of that id in the newest snapshot of its plugin.

    Args:
        connection: An open transaction.
        task_id: "plugin.module.Class"; empty for an artifact that can only be downloaded.

    Raises:
        InvalidRequestError: The id has no dot.
        NotFoundError: There is no such plugin, or no such task in it.
    """
    if not task_id:
        return Lineage()
    plugin_name, dot, _ = task_id.partition(".")
    if not dot:
        raise InvalidRequestError(f"task {task_id!r} is no id such as 'plugin.module.Class'")
    plugin = plugins.load_snapshot(connection, plugin_name)
    tasks = {task.id: task for task in plugin.artifact_tasks}
    if task_id not in tasks:
        close = difflib.get_close_matches(task_id, tasks, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(tasks) or 'none'}"
        raise NotFoundError(
            f"plugin {plugin_name!r} has no artifact task {task_id!r}; {hint}", kind="task"
        )
    outputs = [(output.name, output.type) for output in tasks[task_id].outputs]
    return Lineage(task=task_id, plugin_digest=plugin.digest, outputs=outputs)
