"""`dioptra-ray queue`."""

import click

from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.resources import add_commands, add_history, list_options
from dioptra_ray.cli.target import Target, with_target


@click.group()
def queue() -> None:
    """Queues: where jobs wait."""


@queue.command("list")
@list_options
@with_target
@with_output
def list_queues(target: Target, output: Output, **query: object) -> None:
    """List queues."""
    with target.connect() as client:
        found = client.queues.list(**query)  # type: ignore[arg-type]
    if output.is_json:
        output.json(found)
        return
    rows = [
        (
            one.name,
            one.queued_jobs,
            one.started_jobs,
            ", ".join(one.runners),
            ", ".join(one.tags),
            one.description,
        )
        for one in found
    ]
    output.table(["name", "waiting", "running", "runners", "tags", "description"], rows)


@queue.command()
@click.argument("name")
@with_target
@with_output
def show(name: str, target: Target, output: Output) -> None:
    """Show a queue."""
    with target.connect() as client:
        found = client.queues.get(name)
    if output.is_json:
        output.json(found)
        return
    output.fields(
        {
            "queue": found.name,
            "description": found.description,
            "waiting": found.queued_jobs,
            "running": found.started_jobs,
            "runners": ", ".join(found.runners) or "none: its jobs wait",
            "created": found.created,
            "tags": ", ".join(found.tags),
        }
    )


@queue.command()
@click.argument("name")
@click.option("--description", default="", help="Free text.")
@with_target
@with_output
def create(name: str, description: str, target: Target, output: Output) -> None:
    """Create a queue; a runner has to serve it, see `up --queue`."""
    with target.connect() as client:
        made = client.queues.create(name, description=description)
    if output.is_json:
        output.json(made)
    else:
        output.line(f"queue {made.name}")


add_commands(queue, lambda client: client.queues, "queue")
add_history(queue, lambda client: client.queues, "queue")
