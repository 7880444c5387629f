"""`dioptra-ray experiment`."""

import click

from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.resources import add_commands, add_history, list_options
from dioptra_ray.cli.target import Target, with_target


@click.group()
def experiment() -> None:
    """Experiments: namespaces for jobs."""


@experiment.command("list")
@list_options
@with_target
@with_output
def list_experiments(target: Target, output: Output, **query: object) -> None:
    """List experiments."""
    with target.connect() as client:
        found = client.experiments.list(**query)  # type: ignore[arg-type]
    if output.is_json:
        output.json(found)
    else:
        rows = [(one.name, one.created, ", ".join(one.tags), one.description) for one in found]
        output.table(["name", "created", "tags", "description"], rows)


@experiment.command()
@click.argument("name")
@with_target
@with_output
def show(name: str, target: Target, output: Output) -> None:
    """Show an experiment and its newest jobs."""
    with target.connect() as client:
        found = client.experiments.get(name)
        jobs = client.jobs.list(experiment=name, limit=10)
    if output.is_json:
        output.json(found)
        return
    output.fields(
        {
            "experiment": found.name,
            "description": found.description,
            "created": found.created,
            "tags": ", ".join(found.tags),
        }
    )
    if jobs:
        output.line()
        rows = [(one.id, one.status, one.entrypoint, one.record.created) for one in jobs]
        output.table(["job", "status", "entrypoint", "created"], rows)


@experiment.command()
@click.argument("name")
@click.option("--description", default="", help="Free text.")
@click.option("--group", default="", help="What it belongs to; your own group if not given.")
@with_target
@with_output
def create(name: str, description: str, group: str, target: Target, output: Output) -> None:
    """Create an experiment."""
    with target.connect() as client:
        made = client.experiments.create(name, description=description, group=group)
    if output.is_json:
        output.json(made)
    else:
        output.line(f"experiment {made.name}")


add_commands(experiment, lambda client: client.experiments, "experiment")
add_history(experiment, lambda client: client.experiments, "experiment")
