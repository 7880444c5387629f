"""`dioptra-ray artifact`: what jobs have stored."""

import datetime as dt
from pathlib import Path
from typing import Any

import click

from dioptra_ray.cli.assignments import find_artifact
from dioptra_ray.cli.lineage import describe_lineage, show_lineage
from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.paths import EITHER, NEW_FOLDER
from dioptra_ray.cli.resources import add_commands
from dioptra_ray.cli.target import Target, with_target
from dioptra_ray.cli.wording import place


@click.group()
def artifact() -> None:
    """Artifacts: what jobs have stored. ARTIFACT is an id, JOB:NAME, or NAME for the newest."""


@artifact.command("list")
@click.option("--job", type=int, default=0, help="Only artifacts of this job.")
@click.option("--name", default="", help="Only artifacts with this name.")
@click.option("--entrypoint", default="", help="Only artifacts of jobs of this entrypoint.")
@click.option("--search", default="", help="Only names or descriptions with this text.")
@click.option("--tag", default="", help="Only what has this tag.")
@click.option("--deleted", is_flag=True, help="Those that were deleted, instead.")
@click.option("--limit", type=click.IntRange(1), default=50, help="At most this many.")
@with_target
@with_output
def list_artifacts(target: Target, output: Output, limit: int, **query: Any) -> None:
    """List artifacts, newest first."""
    with target.connect() as client:
        found = client.artifacts.list(**{**query, "limit": limit + 1})
        if not found and query["job"]:
            client.jobs.get(query["job"])
        if not found and query["entrypoint"]:
            client.entrypoints.get(query["entrypoint"])
    found, has_more = found[:limit], len(found) > limit
    if output.is_json:
        output.json(found)
        return
    rows = [
        (one.id, one.name, one.job, one.entrypoint, size(one.size), one.created, place(one.uri))
        for one in found
    ]
    output.table(["id", "name", "job", "entrypoint", "size", "created", "stored at"], rows)
    if has_more:
        output.note(f"There are more: these are the newest {limit}; --limit shows others.")


@artifact.command()
@click.argument("reference", metavar="ARTIFACT")
@with_target
@with_output
def show(reference: str, target: Target, output: Output) -> None:
    """Show an artifact and its files."""
    with target.connect() as client:
        found = client.artifacts.get(find_artifact(client, reference))
    if output.is_json:
        output.json(found)
        return
    provides = ", ".join(f"{name}: {kind}" for name, kind in found.outputs)
    holds = ".".join(part for part in (found.step, found.output) if part)
    output.fields(
        {
            "artifact": found.id,
            "name": found.name,
            "job": found.job,
            "entrypoint": found.entrypoint,
            "holds": holds,
            "task": found.task,
            "provides": provides,
            "kind": "directory" if found.is_directory else "file",
            "size": size(found.size),
            "digest": found.digest,
            "stored at": place(found.uri),
            "description": found.description,
            "created": found.created,
            "deleted": found.deleted,
            "tags": ", ".join(found.tags),
        }
    )
    output.line()
    rows = [(one.path, size(one.size), one.media_type, one.digest) for one in found.files]
    rows += [(f"{path}/", "", "empty directory", "") for path in found.directories]
    output.table(["path", "size", "type", "digest"], rows)


@artifact.command()
@click.argument("reference", metavar="ARTIFACT")
@click.argument("destination", type=NEW_FOLDER, default=".")
@click.option("--file", default="", metavar="PATH", help="Only this file of it.")
@click.option("--overwrite", is_flag=True, help="Replace what has its name there.")
@with_target
@with_output
def get(  # noqa: PLR0913 - one argument an option
    *,
    reference: str,
    destination: Path,
    file: str,
    overwrite: bool,
    target: Target,
    output: Output,
) -> None:
    """Copy an artifact's file or directory from the store, every checksum verified.

    It gets its own name in the folder DESTINATION, which is the present one if not given.
    """
    with target.connect() as client:
        number = find_artifact(client, reference)
        if file:
            path = client.artifacts.download_file(number, file, destination, overwrite=overwrite)
        else:
            path = client.artifacts.download(number, destination, overwrite=overwrite)
    if output.is_json:
        output.json({"id": number, "path": path})
    else:
        output.line(str(path))


@artifact.command()
@click.argument("reference", metavar="ARTIFACT")
@click.argument("path", default="")
@click.option("--offset", type=click.IntRange(0), default=0, help="Begin at this byte.")
@click.option("--length", type=click.IntRange(1), help="At most so many bytes.")
@with_target
def cat(reference: str, path: str, offset: int, length: int | None, target: Target) -> None:
    """Write one file of an artifact, or some bytes of it, to standard output.

    PATH is the file's path in the artifact, and is not needed for a single file.
    """
    with target.connect() as client:
        number = find_artifact(client, reference)
        for chunk in client.artifacts.open(number, path, offset=offset, length=length or 0):
            click.echo(chunk, nl=False)


@artifact.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted, and why.")
@click.option(
    "--grace",
    type=click.FloatRange(1),
    metavar="HOURS",
    help="Leave alone what is younger; 1 or more.",
)
@with_target
@with_output
def gc(dry_run: bool, grace: float | None, target: Target, output: Output) -> None:
    """Delete from the store what nothing refers to.

    That is what is left of attempts and uploads that never became artifacts, of deleted
    artifacts, scratch space, and plugins that were never registered. The controller does it
    from time to time by itself.
    """
    span = None if grace is None else dt.timedelta(hours=grace)
    with target.connect() as client:
        found = client.artifacts.collect_garbage(dry_run=dry_run, grace=span)
    if output.is_json:
        output.json(found)
        return
    rows = [
        (one.key, one.objects, size(one.size), one.updated, one.reason) for one in found.garbage
    ]
    if rows:
        output.table(["stored at", "objects", "size", "written", "why nobody needs it"], rows)
    said = "would be deleted" if dry_run else "deleted"
    output.line(f"{found.count} things, {size(found.size)}, {said}.")


@artifact.command()
@click.argument("path", type=EITHER)
@click.option("--name", default="", help="Its name; the file's stem if not given.")
@click.option("--task", default="", help='What can read it, "plugin.module.Class".')
@click.option("--description", default="", help="Free text.")
@with_target
@with_output
def put(*, path: Path, target: Target, output: Output, **given: str) -> None:
    """Store a file or a directory as an artifact."""
    with target.connect() as client:
        stored = client.artifacts.upload(path, **given)
    if output.is_json:
        output.json(stored)
    else:
        output.line(f"artifact {stored.id} {stored.name} {place(stored.uri)}")


@artifact.command()
@click.argument("reference", metavar="ARTIFACT")
@click.option("--depth", type=click.IntRange(1), default=20, help="How many jobs to follow.")
@with_target
@with_output
def lineage(reference: str, depth: int, target: Target, output: Output) -> None:
    """Show what an artifact was made from, and which jobs used it."""
    with target.connect() as client:
        found = client.artifacts.lineage(find_artifact(client, reference), depth=depth)
    if output.is_json:
        output.json(describe_lineage(found))
    else:
        show_lineage(found, output)


def size(count: int) -> str:
    """A number of bytes as people read it."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:  # noqa: PLR2004 - the next unit
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


add_commands(artifact, lambda client: client.artifacts, "artifact")
