"""`dioptra-ray type`."""

import click

from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.target import Target, with_target


@click.group("type")
def parameter_type() -> None:
    """Registered parameter types."""


@parameter_type.command("list")
@click.option("--search", default="", help="Only names that contain this text.")
@with_target
@with_output
def list_types(search: str, target: Target, output: Output) -> None:
    """List parameter types, the built-in ones included."""
    with target.connect() as client:
        found = client.parameter_types.list(search=search)
    if output.is_json:
        output.json(found)
        return
    rows = [(one.name, one.snapshot or "built-in", one.structure, one.description) for one in found]
    output.table(["name", "snapshot", "structure", "description"], rows)


@parameter_type.command()
@click.argument("name")
@with_target
@with_output
def show(name: str, target: Target, output: Output) -> None:
    """Show a parameter type."""
    with target.connect() as client:
        found = client.parameter_types.get(name)
    if output.is_json:
        output.json(found)
        return
    output.fields(
        {
            "type": found.name,
            "description": found.description,
            "snapshot": found.snapshot or "built-in",
            "structure": found.structure,
            "created": found.created,
        }
    )
