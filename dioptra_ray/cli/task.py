"""`dioptra-ray task`."""

import click

from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.target import Target, with_target
from dioptra_ray.cli.tasks import task_row


@click.group()
def task() -> None:
    """Tasks: the registered functions and artifact classes of all plugins."""


@task.command("list")
@click.option("--search", default="", help="Only ids that contain this text.")
@click.option("--plugin", default="", help="Only tasks of this plugin.")
@with_target
@with_output
def list_tasks(search: str, plugin: str, target: Target, output: Output) -> None:
    """List the tasks of the newest snapshots, sorted by id."""
    with target.connect() as client:
        found = client.plugins.tasks(search=search, plugin=plugin)
    if output.is_json:
        output.json(found)
        return
    rows = [(*task_row(one.kind, one.task), one.snapshot) for one in found]
    output.table(["task", "kind", "inputs", "outputs", "place", "snapshot"], rows)
