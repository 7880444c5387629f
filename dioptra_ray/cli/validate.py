"""`dioptra-ray validate`: everything that is wrong with a description, without any server."""

from dataclasses import replace
from pathlib import Path

import click

from dioptra_ray.cli.assignments import with_swaps
from dioptra_ray.cli.description import Described, describe
from dioptra_ray.cli.exits import FAILED
from dioptra_ray.cli.issues import describe_issues, show_issues
from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.paths import FILE, FOLDER
from dioptra_ray.cli.wording import count
from dioptra_ray.errors import InvalidDescriptionError


@click.command()
@click.argument("file", type=FILE)
@with_swaps
@click.option("--plugins", type=FOLDER, help="Folder with the plugins that it uses.")
@with_output
def validate(file: Path, swaps: dict[str, str], plugins: Path | None, output: Output) -> int:
    """Check a description; exit 0 if it is valid and 1 if not.

    Swaps are checked with all of their alternatives. With --swap, also that these choices are
    complete.
    """
    described = describe(file, plugins)
    if swaps and described.is_valid:
        described = _check_choices(described, swaps)
    if output.is_json:
        output.json(describe_issues(described.issues, file))
    else:
        show_issues(described.issues)
        errors = sum(issue.severity == "error" for issue in described.issues)
        warnings = len(described.issues) - errors
        verdict = "valid" if described.is_valid else "invalid"
        found = f"{count(errors, 'error')}, {count(warnings, 'warning')}"
        counts = f" ({found})" if described.issues else ""
        output.line(f"{file}: {verdict}{counts}")
        if described.hint and not described.is_valid:
            output.note(described.hint)
    return 0 if described.is_valid else FAILED


def _check_choices(described: Described, swaps: dict[str, str]) -> Described:
    try:
        described.choose(swaps)
    except InvalidDescriptionError as error:
        return replace(described, issues=(*described.issues, *error.issues))
    return described
