"""`dioptra-ray import`."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from dioptra_ray.cli.issues import show_issues
from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.paths import EITHER
from dioptra_ray.cli.target import Target, with_target
from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.language.issues import Issue

if TYPE_CHECKING:
    from dioptra_ray.client.client import Strategy


@click.command("import")
@click.argument("path", type=EITHER, default=".")
@click.option(
    "--strategy",
    type=click.Choice(["update", "overwrite", "fail"]),
    default="update",
    help="What to do with names that exist.",
)
@click.option("--group", default="", help="What is new belongs to it; your own group if not given.")
@with_target
@with_output
def import_project(path: Path, strategy: str, group: str, target: Target, output: Output) -> None:
    """Register what a project declares: its dioptra.toml, the folder, or a .tar.gz or .zip."""
    with target.connect() as client:
        try:
            resources = client.import_project(
                path, strategy=cast("Strategy", strategy), group=group
            )
        except InvalidDescriptionError as error:
            raise locate(error, path if path.is_dir() else path.parent) from None
    if output.is_json:
        output.json({"resources": resources, "warnings": resources.warnings})
        return
    show_issues(_below(resources.warnings, path if path.is_dir() else path.parent), err=True)
    output.table(
        ["kind", "name", "snapshot", "outcome"],
        [(one.kind, one.name, one.snapshot or None, one.outcome) for one in resources],
    )


def locate(error: InvalidDescriptionError, folder: Path) -> InvalidDescriptionError:
    """The same issues, with files as the user can open them."""
    return InvalidDescriptionError(error.message, _below(error.issues, folder), **error.metadata)


def _below(issues: Iterable[Issue], folder: Path) -> list[Issue]:
    return [
        replace(issue, file=str(folder / issue.file)) if issue.file else issue for issue in issues
    ]
