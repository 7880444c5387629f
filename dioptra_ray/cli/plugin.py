"""`dioptra-ray plugin`."""

from pathlib import Path

import click

from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.paths import FOLDER
from dioptra_ray.cli.target import Target, with_target


@click.group()
def plugin() -> None:
    """Registered plugins."""


@plugin.command("list")
@click.option("--search", default="", help="Only names that contain this text.")
@with_target
@with_output
def list_plugins(search: str, target: Target, output: Output) -> None:
    """List plugins, sorted by name."""
    with target.connect() as client:
        found = client.plugins.list(search=search)
    if output.is_json:
        output.json(found)
        return
    rows = [
        (
            one.name,
            one.snapshot,
            len(one.files),
            len(one.function_tasks),
            len(one.artifact_tasks),
            one.created,
            one.description,
        )
        for one in found
    ]
    columns = ["name", "snapshot", "files", "functions", "artifacts", "created", "description"]
    output.table(columns, rows)


@plugin.command()
@click.argument("name")
@click.option("--snapshot", type=int, default=0, help="This snapshot, not the newest.")
@with_target
@with_output
def show(name: str, snapshot: int, target: Target, output: Output) -> None:
    """Show a plugin, its files and its tasks."""
    with target.connect() as client:
        found = client.plugins.get(name, snapshot=snapshot)
    if output.is_json:
        output.json(found)
        return
    output.fields(
        {
            "plugin": found.name,
            "description": found.description,
            "snapshot": found.snapshot,
            "digest": found.digest,
            "created": found.created,
            "files": ", ".join(path for path, _ in found.files),
        }
    )
    rows = []
    for kind, tasks in (("function", found.function_tasks), ("artifact", found.artifact_tasks)):
        for task in tasks:
            inputs = ", ".join(
                f"{one.name}{'' if one.required else '?'}: {one.type}" for one in task.inputs
            )
            outputs = ", ".join(f"{one.name}: {one.type}" for one in task.outputs)
            rows.append((task.id, kind, inputs, outputs, f"{task.file}:{task.line}"))
    output.line()
    output.table(["task", "kind", "inputs", "outputs", "place"], rows)


@plugin.command()
@click.argument("folder", type=FOLDER)
@click.option("--name", default="", help="Its name; the folder's if not given.")
@click.option("--description", default="", help="Free text.")
@with_target
@with_output
def create(folder: Path, name: str, description: str, target: Target, output: Output) -> None:
    """Store a folder as a plugin; makes a snapshot only if its content is new."""
    with target.connect() as client:
        stored = client.plugins.put(folder, name=name, description=description)
    if output.is_json:
        output.json(stored)
    else:
        output.line(f"plugin {stored.name} snapshot {stored.snapshot}")
