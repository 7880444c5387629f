"""What a command's end means to scripts, and what it says to people."""

import traceback
from typing import Final

import click

from dioptra_ray.cli.wording import clean
from dioptra_ray.errors import (
    DioptraError,
    InternalError,
    InvalidDescriptionError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
)

FAILED: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
UNAVAILABLE: Final = 4
CANCELLED: Final = 130


def exit_code(error: Exception) -> int:
    """Say what went wrong, on stderr, and how the process should end."""
    if isinstance(error, DioptraError):
        _explain(error)
        return code_of(error)
    if isinstance(error, OSError | TimeoutError):
        _say(str(error))
        return FAILED
    _say("this is a bug of dioptra-ray; please report it with what follows")
    click.echo("".join(traceback.format_exception(error)), err=True)
    return FAILED


def code_of(error: DioptraError) -> int:
    """The exit code for an error."""
    if isinstance(error, NotFoundError):
        return NOT_FOUND
    if isinstance(error, UnavailableError):
        return UNAVAILABLE
    return FAILED


def _explain(error: DioptraError) -> None:
    _say(error.message)
    if isinstance(error, InvalidDescriptionError):
        from dioptra_ray.cli.issues import show_issues  # noqa: PLC0415 - only for this error

        show_issues(error.issues, err=True)
    if isinstance(error, UnavailableError) and "dioptra-ray up" not in error.message:
        click.echo("Is it up? `dioptra-ray up` starts an embedded deployment.", err=True)
    if isinstance(error, UnauthenticatedError):
        click.echo(
            "Name the file with the deployment's token: --token-file FILE, or DIOPTRA_TOKEN_FILE. "
            "That of an embedded deployment is `token` in its state directory.",
            err=True,
        )
    if isinstance(error, InternalError):
        click.echo("The log of the controller says more.", err=True)


def _say(message: str) -> None:
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {clean(message)}", err=True)
