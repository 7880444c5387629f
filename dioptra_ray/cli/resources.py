"""Commands and options that groups of registered things share: lists, history, diff, tags."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.target import Target, with_target

if TYPE_CHECKING:
    from dioptra_ray.client import Client, Diff
    from dioptra_ray.client.resources import Described, Versioned

_COLOURS = {"added": "green", "removed": "red", "changed": "yellow"}
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def list_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a list command the options `--search --sort --tag --deleted --limit`."""
    options = (
        click.option("--search", default="", help="Only names or descriptions with this text."),
        click.option(
            "--sort",
            "order_by",
            type=click.Choice(["name", "created", "newest"]),
            default="name",
            help="By name, or by age with the oldest or the newest first.",
            callback=_read_order,
        ),
        click.option("--tag", default="", help="Only what has this tag."),
        click.option("--deleted", is_flag=True, help="Those that were deleted, instead."),
        click.option("--limit", type=click.IntRange(1), help="At most this many."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _read_order(_context: click.Context, _option: click.Parameter, value: str) -> str:
    return {"name": "name", "created": "create_time", "newest": "create_time desc"}[value]


def add_commands(group: click.Group, find: "Callable[[Client], Described]", kind: str) -> None:
    """Add `update`, `delete` and `tag` to a group.

    Args:
        group: The group.
        find: Gives the part of the client that it is about.
        kind: What messages call one of it.
    """
    add_description(group, find, kind)
    add_deletion(group, find, kind)


def add_description(group: click.Group, find: "Callable[[Client], Described]", kind: str) -> None:
    """Add an `update` that changes only the description; see `add_commands`."""

    @group.command(help=f"Change the description of {_article(kind)}.")
    @click.argument("name")
    @click.option("--description", required=True, help="The new text.")
    @with_target
    @with_output
    def update(name: str, description: str, target: Target, output: Output) -> None:
        with target.connect() as client:
            changed = find(client).describe(name, description)
        if output.is_json:
            output.json({"name": name, "changed": changed})
        else:
            output.line(f"{kind} {name} {'updated' if changed else 'unchanged'}")


def add_deletion(group: click.Group, find: "Callable[[Client], Described]", kind: str) -> None:
    """Add `delete` and `tag`; see `add_commands`."""

    @group.command(help=f"Delete {_article(kind)}; its history stays.")
    @click.argument("name")
    @with_target
    @with_output
    def delete(name: str, target: Target, output: Output) -> None:
        with target.connect() as client:
            users = find(client).delete(name)
        if output.is_json:
            output.json({"name": name, "deleted": True, "still_used_by": users})
            return
        output.line(f"{kind} {name} deleted")
        for user in users:
            output.note(f"still used by {user}")

    @group.command(help=f"Add and remove tags of {_article(kind)}.")
    @click.argument("name")
    @click.argument("tags", nargs=-1)
    @click.option("--remove", multiple=True, help="A tag to remove; may be repeated.")
    @with_target
    @with_output
    def tag(
        *, name: str, tags: tuple[str, ...], remove: tuple[str, ...], target: Target, output: Output
    ) -> None:
        with target.connect() as client:
            found = find(client).tag(name, tags, remove=remove)
        if output.is_json:
            output.json({"name": name, "tags": found})
        else:
            output.line(f"{kind} {name}: {', '.join(found) or 'no tags'}")


def add_history(group: click.Group, find: "Callable[[Client], Versioned]", kind: str) -> None:
    """Add `history` and `diff` to a group of things with snapshots; see `add_commands`."""

    @group.command(help=f"List all snapshots of {_article(kind)}, newest first.")
    @click.argument("name")
    @with_target
    @with_output
    def history(name: str, target: Target, output: Output) -> None:
        with target.connect() as client:
            found = find(client).history(name)
        if output.is_json:
            output.json(found)
            return
        rows = [(one.snapshot, one.created, one.deleted, one.description) for one in found]
        output.table(["snapshot", "created", "deleted", "description"], rows)

    @group.command(help=f"Compare two snapshots of {_article(kind)}; the last two by default.")
    @click.argument("name")
    @click.argument("old", type=int, default=0)
    @click.argument("new", type=int, default=0)
    @with_target
    @with_output
    def diff(name: str, old: int, new: int, target: Target, output: Output) -> None:
        with target.connect() as client:
            found = find(client).diff(name, old, new)
        if output.is_json:
            output.json(found)
        else:
            show_diff(f"{kind} {name}", found, output)


def show_diff(what: str, found: "Diff", output: Output) -> None:
    """Print what differs: parts first, then texts as unified diffs."""
    output.line(f"{what}: snapshot {found.old} -> {found.new}")
    if not found.differences:
        output.line("nothing differs")
    for one in found.differences:
        if one.unified:
            continue
        sign = click.style(_SIGNS[one.change], fg=_COLOURS[one.change])
        sides = " -> ".join(side for side in (one.before, one.after) if side)
        named = f" {one.name}" if one.name else ""
        output.line(f"{sign} {one.part}{named}: {sides}")
    for one in found.differences:
        if one.unified:
            output.line()
            _show_unified(one.unified.splitlines(), output)


def _show_unified(lines: Iterable[str], output: Output) -> None:
    for line in lines:
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
        output.line(click.style(line, fg=colour) if colour else line)


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeio" else f"a {kind}"
