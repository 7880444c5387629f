"""`dioptra-ray entrypoint`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dioptra_ray.cli.issues import show_issues
from dioptra_ray.cli.output import Output, cell, plain, with_output
from dioptra_ray.cli.paths import FILE
from dioptra_ray.cli.resources import add_commands, add_history, list_options
from dioptra_ray.cli.target import Target, with_target

if TYPE_CHECKING:
    from dioptra_ray.client import Client, Entrypoint, EntrypointDraft
    from dioptra_ray.wire.entrypoints import PluginPin


@click.group()
def entrypoint() -> None:
    """Registered entrypoints."""


@entrypoint.command("list")
@list_options
@click.option("--drafts", is_flag=True, help="Those that are not valid yet, instead.")
@with_target
@with_output
def list_entrypoints(drafts: bool, target: Target, output: Output, **query: Any) -> None:
    """List entrypoints; NEWER names plugins that have a newer snapshot, see `sync`."""
    with target.connect() as client:
        if drafts:
            _list_drafts(client, output, search=query["search"], limit=query["limit"])
            return
        found = client.entrypoints.list(**query)
    if output.is_json:
        output.json([describe(one) for one in found])
        return
    rows = [
        (
            one.name,
            one.snapshot,
            len(one.steps),
            ", ".join(parameter.name for parameter in one.parameters),
            ", ".join(one.artifact_parameters),
            ", ".join(one.artifact_outputs),
            ", ".join(pin.name for pin in one.outdated),
            ", ".join(one.tags),
            one.description,
        )
        for one in found
    ]
    columns = ["name", "snapshot", "steps", "parameters", "takes", "makes", "newer", "tags"]
    output.table([*columns, "description"], rows)


def describe(found: "Entrypoint") -> dict[str, Any]:
    """An entrypoint for a script, with the names of the plugins that have a newer snapshot."""
    return {**plain(found), "outdated": [pin.name for pin in found.outdated]}


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
        output.json(describe(found))
        return
    if source:
        output.line(found.source.rstrip("\n"))
        return
    pins = ", ".join(map(_show_pin, found.plugins))
    output.fields(
        {
            "entrypoint": found.name,
            "description": found.description,
            "snapshot": found.snapshot,
            "file": found.source_file,
            "created": found.created,
            "deleted": found.deleted,
            "tags": ", ".join(found.tags),
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
    if found.swaps:
        output.line()
        swaps = [(name, ", ".join(aliases)) for name, aliases in found.swaps.items()]
        output.table(["swap", "alternatives"], swaps)
    if found.outdated:
        names = ", ".join(pin.name for pin in found.outdated)
        output.note(f"newer snapshots of {names}: `dioptra-ray entrypoint sync {found.name}`")


def _show_pin(pin: "PluginPin") -> str:
    if pin.newest > pin.snapshot:
        return f"{pin.name} (snapshot {pin.snapshot}, newest {pin.newest})"
    deleted = "" if pin.newest else ", deleted"
    return f"{pin.name} (snapshot {pin.snapshot}{deleted})"


def _source_options(function: click.decorators.FC) -> click.decorators.FC:
    for option in (
        click.option("--description", default="", help="Free text."),
        click.option(
            "--plugin", "plugins", multiple=True, help="A plugin to attach; may be repeated."
        ),
        click.argument("file", type=FILE),
        click.argument("name"),
    ):
        function = option(function)
    return function


@entrypoint.command()
@_source_options
@with_target
@with_output
def create(*, name: str, file: Path, target: Target, output: Output, **given: Any) -> None:
    """Store a self-contained description whose name must be new."""
    with target.connect() as client:
        stored = client.entrypoints.create(name, file, source_file=str(file), **given)
    _show_stored(stored, output)


@entrypoint.command()
@_source_options
@click.option("--draft", is_flag=True, help="Only keep it: it need not be valid, and cannot run.")
@with_target
@with_output
def put(
    *, name: str, file: Path, draft: bool, target: Target, output: Output, **given: Any
) -> None:
    """Store a self-contained description; makes a snapshot only if its content is new."""
    with target.connect() as client:
        if draft:
            kept = client.entrypoints.drafts.put(name, file, source_file=str(file), **given)
            _show_draft(kept, output)
            return
        stored = client.entrypoints.put(name, file, source_file=str(file), **given)
    _show_stored(stored, output)


@entrypoint.command()
@click.argument("name")
@click.option("--plugin", "plugins", multiple=True, help="Only this plugin; may be repeated.")
@with_target
@with_output
def sync(name: str, plugins: tuple[str, ...], target: Target, output: Output) -> None:
    """Put an entrypoint together again over the newest snapshots of its plugins."""
    with target.connect() as client:
        stored = client.entrypoints.sync(name, plugins=plugins)
    _show_stored(stored, output)


@entrypoint.group()
def draft() -> None:
    """What may become entrypoints; `put --draft` makes one."""


@draft.command("show")
@click.argument("name")
@click.option("--source", is_flag=True, help="Print the text.")
@with_target
@with_output
def show_draft(name: str, source: bool, target: Target, output: Output) -> None:
    """Show a draft and what is wrong with it."""
    with target.connect() as client:
        found = client.entrypoints.drafts.get(name)
    if source and not output.is_json:
        output.line(found.source.rstrip("\n"))
    else:
        _show_draft(found, output)


@draft.command()
@click.argument("name")
@with_target
@with_output
def publish(name: str, target: Target, output: Output) -> None:
    """Make an entrypoint of a draft."""
    with target.connect() as client:
        stored = client.entrypoints.drafts.publish(name)
    _show_stored(stored, output)


@draft.command("delete")
@click.argument("name")
@with_target
@with_output
def delete_draft(name: str, target: Target, output: Output) -> None:
    """Throw a draft away."""
    with target.connect() as client:
        client.entrypoints.drafts.delete(name)
    if output.is_json:
        output.json({"name": name, "deleted": True})
    else:
        output.line(f"draft {name} deleted")


def _list_drafts(client: "Client", output: Output, *, search: str, limit: int | None) -> None:
    found = client.entrypoints.drafts.list(search=search, limit=limit)
    if output.is_json:
        output.json(found)
        return
    rows = [
        (
            one.name,
            sum(issue.severity == "error" for issue in one.issues),
            ", ".join(one.plugins),
            one.updated,
            one.description,
        )
        for one in found
    ]
    output.table(["draft", "errors", "plugins", "updated", "description"], rows)


def _show_draft(found: "EntrypointDraft", output: Output) -> None:
    if output.is_json:
        output.json(found)
        return
    errors = sum(issue.severity == "error" for issue in found.issues)
    output.line(f"draft {found.name}: {errors or 'no'} error{'' if errors == 1 else 's'}")
    show_issues(found.issues)


def _show_stored(stored: "Entrypoint", output: Output) -> None:
    if output.is_json:
        output.json(describe(stored))
    else:
        output.line(f"entrypoint {stored.name} snapshot {stored.snapshot}")


add_commands(entrypoint, lambda client: client.entrypoints, "entrypoint")
add_history(entrypoint, lambda client: client.entrypoints, "entrypoint")
