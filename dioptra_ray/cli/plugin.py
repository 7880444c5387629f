"""`dioptra-ray plugin`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.paths import FILE, FOLDER
from dioptra_ray.cli.resources import add_commands, add_history, list_options
from dioptra_ray.cli.target import Target, with_target
from dioptra_ray.cli.tasks import task_row

if TYPE_CHECKING:
    from dioptra_ray.client import Plugin


@click.group()
def plugin() -> None:
    """Registered plugins."""


@plugin.command("list")
@list_options
@with_target
@with_output
def list_plugins(target: Target, output: Output, **query: object) -> None:
    """List plugins."""
    with target.connect() as client:
        found = client.plugins.list(**query)  # type: ignore[arg-type]
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
            ", ".join(one.tags),
            one.description,
        )
        for one in found
    ]
    columns = ["name", "snapshot", "files", "functions", "artifacts", "created", "tags"]
    output.table([*columns, "description"], rows)


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
            "deleted": found.deleted,
            "tags": ", ".join(found.tags),
            "files": ", ".join(path for path, _ in found.files),
        }
    )
    rows = [task_row("function", task) for task in found.function_tasks]
    rows += [task_row("artifact", task) for task in found.artifact_tasks]
    output.line()
    output.table(["task", "kind", "inputs", "outputs", "place"], rows)


def _folder_options(function: click.decorators.FC) -> click.decorators.FC:
    for option in (
        click.option("--description", default="", help="Free text."),
        click.option("--name", default="", help="Its name; the folder's if not given."),
        click.argument("folder", type=FOLDER),
    ):
        function = option(function)
    return function


@plugin.command()
@_folder_options
@with_target
@with_output
def create(folder: Path, name: str, description: str, target: Target, output: Output) -> None:
    """Store a folder as a plugin whose name must be new."""
    with target.connect() as client:
        stored = client.plugins.create(folder, name=name, description=description)
    _show_stored(stored, output)


@plugin.command()
@_folder_options
@with_target
@with_output
def put(folder: Path, name: str, description: str, target: Target, output: Output) -> None:
    """Store a folder as a plugin; makes a snapshot only if its content is new."""
    with target.connect() as client:
        stored = client.plugins.put(folder, name=name, description=description)
    _show_stored(stored, output)


@plugin.command()
@click.argument("name")
@click.option("--snapshot", type=int, default=0, help="This snapshot, not the newest.")
@with_target
@with_output
def files(name: str, snapshot: int, target: Target, output: Output) -> None:
    """List the files of a plugin."""
    with target.connect() as client:
        found = client.plugins.get(name, snapshot=snapshot)
    if output.is_json:
        output.json([{"path": path, "size": size} for path, size in found.files])
    else:
        output.table(["path", "bytes"], found.files)


@plugin.group()
def file() -> None:
    """Single files of plugins; each change makes a snapshot."""


@file.command("get")
@click.argument("name")
@click.argument("path")
@click.option("--snapshot", type=int, default=0, help="Of this snapshot, not the newest.")
@with_target
@with_output
def get_file(name: str, path: str, snapshot: int, target: Target, output: Output) -> None:
    """Print a file."""
    with target.connect() as client:
        content = client.plugins.get_file(name, path, snapshot=snapshot)
    if output.is_json:
        output.json({"path": path, "content": content.decode("utf-8", "replace")})
    else:
        click.echo(content, nl=False)


@file.command("put")
@click.argument("name")
@click.argument("source", metavar="FILE", type=FILE)
@click.option("--path", default="", help="Path inside the plugin; the file's name if not given.")
@with_target
@with_output
def put_file(name: str, source: Path, path: str, target: Target, output: Output) -> None:
    """Add or replace a file."""
    with target.connect() as client:
        stored = client.plugins.put_file(name, path or source.name, source.read_bytes())
    _show_stored(stored, output)


@file.command("delete")
@click.argument("name")
@click.argument("path")
@with_target
@with_output
def delete_file(name: str, path: str, target: Target, output: Output) -> None:
    """Remove a file."""
    with target.connect() as client:
        stored = client.plugins.delete_file(name, path)
    _show_stored(stored, output)


def _show_stored(stored: "Plugin", output: Output) -> None:
    if output.is_json:
        output.json(stored)
    else:
        output.line(f"plugin {stored.name} snapshot {stored.snapshot}")


add_commands(plugin, lambda client: client.plugins, "plugin")
add_history(plugin, lambda client: client.plugins, "plugin")
