"""`dioptra-ray validate`: everything that is wrong with a description, without any server."""

from pathlib import Path

import click

from dioptra_ray.cli.description import describe
from dioptra_ray.cli.exits import FAILED
from dioptra_ray.cli.issues import describe_issues, show_issues
from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.paths import FILE, FOLDER


@click.command()
@click.argument("file", type=FILE)
@click.option("--plugins", type=FOLDER, help="Folder with the plugins that it uses.")
@with_output
def validate(file: Path, plugins: Path | None, output: Output) -> int:
    """Check a description; exit 0 if it is valid and 1 if not."""
    described = describe(file, plugins)
    if output.is_json:
        output.json(describe_issues(described.issues, file))
    else:
        show_issues(described.issues)
        errors = sum(issue.severity == "error" for issue in described.issues)
        warnings = len(described.issues) - errors
        verdict = "valid" if described.is_valid else "invalid"
        counts = f" ({errors} errors, {warnings} warnings)" if described.issues else ""
        output.line(f"{file}: {verdict}{counts}")
    return 0 if described.is_valid else FAILED
