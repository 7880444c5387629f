"""`dioptra-ray queue`."""

import click

from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.target import Target, with_target


@click.group()
def queue() -> None:
    """Queues: where jobs wait."""


@queue.command("list")
@click.option("--search", default="", help="Only names that contain this text.")
@with_target
@with_output
def list_queues(search: str, target: Target, output: Output) -> None:
    """List queues, sorted by name."""
    with target.connect() as client:
        found = client.queues.list(search=search)
    if output.is_json:
        output.json(found)
        return
    rows = [
        (one.name, one.queued_jobs, one.started_jobs, ", ".join(one.runners), one.description)
        for one in found
    ]
    output.table(["name", "waiting", "running", "runners", "description"], rows)


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
