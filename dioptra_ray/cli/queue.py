"""`dioptra-ray queue`."""

from collections.abc import Callable
from typing import Any

import click

from dioptra_ray.cli.environment import EnvironmentOptions, with_environment
from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.resources import add_deletion, add_history, list_options
from dioptra_ray.cli.target import Target, with_target
from dioptra_ray.planning.environments import read_environment
from dioptra_ray.planning.resources import describe


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
            one.max_started_jobs or None,
            one.priority,
            ", ".join(one.runners),
            ", ".join(one.tags),
            one.description,
        )
        for one in found
    ]
    columns = ["name", "waiting", "running", "at most", "priority", "runners", "tags"]
    output.table([*columns, "description"], rows)


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
    environment = read_environment(found.environment)
    output.fields(
        {
            "queue": found.name,
            "description": found.description,
            "waiting": found.queued_jobs,
            "running": found.started_jobs,
            "at most": found.max_started_jobs or "no limit",
            "priority": found.priority,
            "a step asks for": describe(environment.defaults),
            "runtime_env": environment.runtime_env or None,
            "isolation": environment.stages.isolation or "none: processes are shared",
            "runners": ", ".join(found.runners) or "none: its jobs wait",
            "snapshot": found.snapshot,
            "created": found.created,
            "tags": ", ".join(found.tags),
        }
    )


def _with_limits(function: Callable[..., Any]) -> Callable[..., Any]:
    limit = click.option(
        "--max-started-jobs",
        metavar="N",
        type=int,
        help="At most so many of its jobs run at once; 0 for no limit.",
    )
    priority = click.option(
        "--priority", type=int, help="Queues with a higher one go first; 0 is normal."
    )
    return limit(priority(function))


@queue.command()
@click.argument("name")
@click.option("--description", default="", help="Free text.")
@click.option("--group", default="", help="What it belongs to; your own group if not given.")
@with_environment
@_with_limits
@with_target
@with_output
def create(  # noqa: PLR0913 - one argument an option
    *,
    name: str,
    description: str,
    group: str,
    environment: EnvironmentOptions,
    max_started_jobs: int | None,
    priority: int | None,
    target: Target,
    output: Output,
) -> None:
    """Create a queue, for runners that serve it or, as that of `up` does, all queues."""
    with target.connect() as client:
        made = client.queues.create(
            name,
            description=description,
            environment=environment.over({}),
            max_started_jobs=max_started_jobs or 0,
            priority=priority or 0,
            group=group,
        )
    if output.is_json:
        output.json(made)
    else:
        output.line(f"queue {made.name}")


@queue.command()
@click.argument("name")
@click.option("--description", help="The new text.")
@with_environment
@click.option("--reset", is_flag=True, help="Forget the environment that it has, first.")
@_with_limits
@with_target
@with_output
def update(  # noqa: PLR0913 - one argument an option
    *,
    name: str,
    description: str | None,
    environment: EnvironmentOptions,
    reset: bool,
    max_started_jobs: int | None,
    priority: int | None,
    target: Target,
    output: Output,
) -> None:
    """Change what is given of a queue; labels, resources and variables are added.

    Jobs that were submitted before keep the environment that they were submitted with.
    """
    with target.connect() as client:
        before = client.queues.get(name)
        new = None
        if reset or not environment.is_empty:
            new = environment.over({} if reset else before.environment)
        after = client.queues.update(
            name,
            description=description,
            environment=new,
            max_started_jobs=max_started_jobs,
            priority=priority,
        )
    changed = after.snapshot != before.snapshot
    if output.is_json:
        output.json({"name": name, "changed": changed})
    else:
        output.line(f"queue {name} {'updated' if changed else 'unchanged'}")


add_deletion(queue, lambda client: client.queues, "queue")
add_history(queue, lambda client: client.queues, "queue")
