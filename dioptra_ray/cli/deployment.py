"""`dioptra-ray up`, `down` and `status`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from dioptra_ray.cli.exits import CANCELLED, UNAVAILABLE
from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.target import Target, with_state_dir, with_target
from dioptra_ray.errors import UnavailableError


@click.command()
@with_state_dir
@click.option("--store-url", default="", help="Where artifacts are kept, such as s3://bucket.")
@click.option(
    "--force-new-store",
    is_flag=True,
    help="Take another --store-url, though plugins and artifacts in the one before have to be "
    "imported again.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on the loopback.")
@click.option(
    "--queue",
    "queues",
    multiple=True,
    help="A queue to serve; may be repeated. If not given: all, also those made later.",
)
@click.option("--slots", type=click.IntRange(0), default=0, help="How many jobs run at once.")
@click.option("--timeout", type=float, default=90.0, help="Seconds until it has to be ready.")
@with_output
def up(  # noqa: PLR0913 - one argument an option
    *,
    state_dir: Path | None,
    store_url: str,
    force_new_store: bool,
    port: int,
    queues: tuple[str, ...],
    slots: int,
    timeout: float,
    output: Output,
) -> int:
    """Start the embedded deployment and wait until it is ready.

    Jobs, metrics, logs and artifacts stay in the state directory, from one `up` to the next.
    An artifact store in S3 is reached with what DIOPTRA_S3_ENDPOINT, DIOPTRA_S3_ACCESS_KEY
    and DIOPTRA_S3_SECRET_KEY say.
    """
    from dioptra_ray.embedded import up as start  # noqa: PLC0415 - grpc is slow to load
    from dioptra_ray.embedded.launch import Options  # noqa: PLC0415

    options = Options(
        store_url=store_url,
        port=port,
        queues=queues,
        slots=slots,
        force_new_store=force_new_store,
    )
    try:
        deployment, was_started = start(
            state_dir, options=options, timeout=timeout, progress=output.note
        )
    except KeyboardInterrupt:
        return _say_what_is_left(state_dir, output)
    if output.is_json:
        pids = {name: process.pid for name, process in deployment.processes.items()}
        output.json(
            {
                "started": was_started,
                "address": deployment.address,
                "store_url": deployment.store_url,
                "pids": pids,
            }
        )
        return 0
    output.line(f"{'up' if was_started else 'already up'} at {deployment.address}")
    output.line(f"artifacts in {deployment.store_url}")
    return 0


@click.command()
@with_state_dir
@with_output
def down(state_dir: Path | None, output: Output) -> int:
    """Stop the embedded deployment; `up` finds everything again."""
    from dioptra_ray.embedded import down as stop  # noqa: PLC0415 - grpc is slow to load

    try:
        was_running = stop(state_dir, progress=output.note)
    except KeyboardInterrupt:
        return _say_what_is_left(state_dir, output)
    if output.is_json:
        output.json({"stopped": was_running})
    else:
        output.line("stopped" if was_running else "was not up")
    return 0


@click.command()
@with_target
@with_output
def status(target: Target, output: Output) -> int:
    """Show the deployment: version, artifact store, runners; exit 4 if there is none."""
    try:
        with target.connect() as client:
            cluster, address = client.cluster(), client.address
    except UnavailableError as error:
        if not output.is_json:
            raise
        output.json({"up": False, "message": error.message})
        return UNAVAILABLE
    if output.is_json:
        output.json({"up": True, "address": address, "cluster": cluster})
        return 0
    facts: dict[str, Any] = {
        "controller": address,
        "version": cluster.version,
        "artifacts": cluster.store_url,
    }
    output.fields(facts)
    output.line()
    now = datetime.now(UTC)
    rows = [
        (
            runner.name,
            ",".join(runner.queues),
            f"{runner.started_jobs}/{runner.slots}",
            _resources(runner.resources),
            f"{(now - runner.last_seen).total_seconds():.0f}s ago" if runner.last_seen else None,
        )
        for runner in cluster.runners
    ]
    if rows:
        output.table(["runner", "queues", "jobs", "resources", "heard of"], rows)
    else:
        output.line("no runner is connected: jobs wait until one is")
    nodes = [
        (node.address, runner.name, _resources(node.resources), _labels(node.labels))
        for runner in cluster.runners
        for node in runner.nodes
    ]
    if nodes:
        output.line()
        output.table(["node", "runner", "resources", "labels"], nodes)
    return 0


def _say_what_is_left(state_dir: Path | None, output: Output) -> int:
    """After Ctrl-C: what runs in spite of it, and what to do."""
    from dioptra_ray.embedded import status as look  # noqa: PLC0415 - grpc is slow to load

    left = look(state_dir).pids
    if left:
        parts = " and ".join(f"the {name} (process {pid})" for name, pid in left.items())
        output.note(
            f"\ninterrupted; {parts} still run{'s' if len(left) == 1 else ''}: "
            "`dioptra-ray down` stops what is left, `dioptra-ray up` starts anew"
        )
    else:
        output.note("\ninterrupted; nothing runs now: `dioptra-ray up` starts it")
    return CANCELLED


def _resources(resources: Mapping[str, float]) -> str:
    """What people ask for; that a node is itself is no resource to them."""
    named = {name: count for name, count in resources.items() if not name.startswith("node:")}
    return " ".join(_resource(name, count) for name, count in sorted(named.items()))


def _labels(labels: Mapping[str, str]) -> str:
    """Those that somebody has given; Ray's own say nothing that is not in the id."""
    given = {name: value for name, value in labels.items() if name != "ray.io/node-id"}
    return " ".join(f"{name}={value}" for name, value in sorted(given.items()))


def _resource(name: str, count: float) -> str:
    if "memory" in name:
        return f"{name}={count / 1024**3:.1f}GiB"
    return f"{name}={count:g}"
