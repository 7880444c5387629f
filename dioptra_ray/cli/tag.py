"""`dioptra-ray tag`."""

import click

from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.target import Target, with_target

KINDS = ("plugin", "parameter_type", "entrypoint", "experiment", "queue", "artifact", "job")


@click.group()
def tag() -> None:
    """Tags: words on anything, to find it again."""


@tag.command("list")
@click.option("--search", default="", help="Only tags that contain this text.")
@with_target
@with_output
def list_tags(search: str, target: Target, output: Output) -> None:
    """List the tags in use."""
    with target.connect() as client:
        found = client.tags.list(search=search)
    if output.is_json:
        output.json(found)
    else:
        output.table(["tag", "on"], [(one.name, one.resources) for one in found])


@tag.command()
@click.argument("name", metavar="TAG")
@with_target
@with_output
def show(name: str, target: Target, output: Output) -> None:
    """List what has a tag."""
    with target.connect() as client:
        found = client.tags.find(name)
    if output.is_json:
        output.json(found)
    else:
        output.table(["kind", "name"], [(one.kind, one.name) for one in found])


@tag.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.argument("tags", nargs=-1, required=True)
@with_target
@with_output
def add(*, kind: str, name: str, tags: tuple[str, ...], target: Target, output: Output) -> None:
    """Add tags to something; jobs and artifacts are named by their numbers."""
    with target.connect() as client:
        _show(kind, name, client.tags.update(kind, name, tags), output)


@tag.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.argument("tags", nargs=-1, required=True)
@with_target
@with_output
def remove(*, kind: str, name: str, tags: tuple[str, ...], target: Target, output: Output) -> None:
    """Remove tags from something."""
    with target.connect() as client:
        _show(kind, name, client.tags.update(kind, name, remove=tags), output)


def _show(kind: str, name: str, tags: tuple[str, ...], output: Output) -> None:
    if output.is_json:
        output.json({"kind": kind, "name": name, "tags": tags})
    else:
        output.line(f"{kind} {name}: {', '.join(tags) or 'no tags'}")
