"""`dioptra-ray plan`: the stages that a description compiles to.

Without any server, unless it is to be planned for a queue of one.
"""

from pathlib import Path

import click

from dioptra_ray.cli.assignments import with_swaps
from dioptra_ray.cli.description import Described, describe
from dioptra_ray.cli.output import Output, describe_error
from dioptra_ray.cli.paths import FILE, FOLDER
from dioptra_ray.cli.target import Target, with_target
from dioptra_ray.errors import DioptraError
from dioptra_ray.planning import PlanOptions, compile_plan, render
from dioptra_ray.planning.environments import NOTHING, Environment, read_environment
from dioptra_ray.planning.plan import Plan, PluginBundle
from dioptra_ray.plugins.bundle import pack


@click.command()
@click.argument("file", type=FILE)
@with_swaps
@click.option("--plugins", type=FOLDER, help="Folder with the plugins that it uses.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "mermaid", "dot"]),
    default="text",
    help="How the plan is printed.",
)
@click.option(
    "--mode",
    type=click.Choice(["latency", "throughput"]),
    default="latency",
    help="For one job at once, or for a cluster that is saturated by many.",
)
@click.option(
    "--queue",
    default="",
    help="A queue whose environment counts; asks its deployment, and nothing else does.",
)
@with_target
def plan(  # noqa: PLR0913 - one argument an option
    *,
    file: Path,
    swaps: dict[str, str],
    plugins: Path | None,
    format_: str,
    mode: str,
    queue: str,
    target: Target,
) -> None:
    """Show the stages, resources and edges, and why each cut was made."""
    try:
        described = describe(file, plugins)
        described.check()
        environment = _environment(queue, target) if queue else NOTHING
        compiled = _compile(described.choose(swaps), mode, environment)
    except DioptraError as error:
        if format_ == "json":
            Output(format_).json({"error": describe_error(error)})
        raise
    renderers = {
        "text": render.to_text,
        "json": Plan.to_json,
        "mermaid": render.to_mermaid,
        "dot": render.to_dot,
    }
    click.echo(renderers[format_](compiled).rstrip("\n"))


def _environment(queue: str, target: Target) -> Environment:
    with target.connect() as client:
        return read_environment(client.queues.get(queue).environment)


def _compile(described: Described, mode: str, environment: Environment) -> Plan:
    bundles = tuple(
        PluginBundle(name=plugin.name, digest=pack(plugin.files).digest)
        for plugin in described.plugins.plugins
    )
    options = PlanOptions(
        plugins=bundles,
        artifact_tasks=described.artifact_tasks,
        declarations=described.declarations,
        defaults=environment.defaults,
        environment=environment.stages,
        mode="throughput" if mode == "throughput" else "latency",
    )
    return compile_plan(described.description, options)
