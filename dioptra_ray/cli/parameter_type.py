"""`dioptra-ray type`."""

import json
from typing import TYPE_CHECKING, Any

import click

from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.resources import add_commands, add_history, list_options
from dioptra_ray.cli.target import Target, with_target

if TYPE_CHECKING:
    from dioptra_ray.client.resources import Mode


@click.group("type")
def parameter_type() -> None:
    """Registered parameter types."""


@parameter_type.command("list")
@list_options
@with_target
@with_output
def list_types(target: Target, output: Output, **query: object) -> None:
    """List parameter types, the built-in ones included."""
    with target.connect() as client:
        found = client.parameter_types.list(**query)  # type: ignore[arg-type]
    if output.is_json:
        output.json(found)
        return
    rows = [
        (
            one.name,
            one.snapshot or "built-in",
            one.structure,
            ", ".join(one.tags),
            one.description,
        )
        for one in found
    ]
    output.table(["name", "snapshot", "structure", "tags", "description"], rows)


@parameter_type.command()
@click.argument("name")
@click.option("--snapshot", type=int, default=0, help="This snapshot, not the newest.")
@with_target
@with_output
def show(name: str, snapshot: int, target: Target, output: Output) -> None:
    """Show a parameter type."""
    with target.connect() as client:
        found = client.parameter_types.get(name, snapshot=snapshot)
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
            "deleted": found.deleted,
            "tags": ", ".join(found.tags),
        }
    )


def _put_command(mode: "Mode", text: str) -> None:
    @parameter_type.command("create" if mode == "create" else "put", help=text)
    @click.argument("name")
    @click.option(
        "--structure",
        default="null",
        callback=_read_json,
        metavar="JSON",
        help='Its definition, such as \'{"list": "integer"}\'; none for a simple type.',
    )
    @click.option("--description", default="", help="Free text.")
    @with_target
    @with_output
    def put(*, name: str, structure: Any, description: str, target: Target, output: Output) -> None:
        with target.connect() as client:
            stored = client.parameter_types.put(name, structure, description=description, mode=mode)
        if output.is_json:
            output.json(stored)
        else:
            output.line(f"type {stored.name} snapshot {stored.snapshot}")


def _read_json(_context: click.Context, _option: click.Parameter, value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not JSON: {error}") from None


_put_command("create", "Store a type whose name must be new.")
_put_command("upsert", "Store a type; makes a snapshot only if its content is new.")
add_commands(parameter_type, lambda client: client.parameter_types, "type")
add_history(parameter_type, lambda client: client.parameter_types, "type")
