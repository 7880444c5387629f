"""`dioptra-ray entrypoint`."""

from pathlib import Path

import click

from dioptra_ray.cli.output import Output, cell, with_output
from dioptra_ray.cli.paths import FILE
from dioptra_ray.cli.target import Target, with_target


@click.group()
def entrypoint() -> None:
    """Registered entrypoints."""


@entrypoint.command("list")
@click.option("--search", default="", help="Only names that contain this text.")
@with_target
@with_output
def list_entrypoints(search: str, target: Target, output: Output) -> None:
    """List entrypoints, sorted by name."""
    with target.connect() as client:
        found = client.entrypoints.list(search=search)
    if output.is_json:
        output.json(found)
        return
    rows = [
        (
            one.name,
            one.snapshot,
            len(one.steps),
            ", ".join(parameter.name for parameter in one.parameters),
            ", ".join(one.artifact_parameters),
            ", ".join(one.artifact_outputs),
            one.description,
        )
        for one in found
    ]
    columns = ["name", "snapshot", "steps", "parameters", "takes", "makes", "description"]
    output.table(columns, rows)


@entrypoint.command()
@click.argument("name")
@click.option("--snapshot", type=int, default=0, help="This snapshot, not the newest.")
@click.option("--source", is_flag=True, help="Print the text that was registered.")
@with_target
@with_output
def show(name: str, snapshot: int, source: bool, target: Target, output: Output) -> None:
    """Show an entrypoint: its parameters, artifacts, steps and plugins."""
    with target.connect() as client:
        found = client.entrypoints.get(name, snapshot=snapshot)
    if output.is_json:
        output.json(found)
        return
    if source:
        output.line(found.source.rstrip("\n"))
        return
    pins = ", ".join(f"{pin.name} (snapshot {pin.snapshot})" for pin in found.plugins)
    output.fields(
        {
            "entrypoint": found.name,
            "description": found.description,
            "snapshot": found.snapshot,
            "file": found.source_file,
            "created": found.created,
            "plugins": pins,
            "steps": ", ".join(found.steps),
            "makes": ", ".join(found.artifact_outputs),
        }
    )
    rows = [
        (one.name, one.type, "required" if one.required else cell(one.default))
        for one in found.parameters
    ]
    rows.extend(
        (name, ", ".join(f"{one.name}: {one.type}" for one in outputs), "artifact")
        for name, outputs in found.artifact_parameters.items()
    )
    output.line()
    output.table(["parameter", "type", "default"], rows)


@entrypoint.command()
@click.argument("name")
@click.argument("file", type=FILE)
@click.option("--plugin", "plugins", multiple=True, help="A plugin to attach; may be repeated.")
@click.option("--description", default="", help="Free text.")
@with_target
@with_output
def create(  # noqa: PLR0913 - one argument an option
    *,
    name: str,
    file: Path,
    plugins: tuple[str, ...],
    description: str,
    target: Target,
    output: Output,
) -> None:
    """Store a self-contained description; makes a snapshot only if its content is new."""
    with target.connect() as client:
        stored = client.entrypoints.put(
            name, file, plugins=plugins, description=description, source_file=str(file)
        )
    if output.is_json:
        output.json(stored)
    else:
        output.line(f"entrypoint {stored.name} snapshot {stored.snapshot}")
