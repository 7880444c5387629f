"""`-P name=value`, `-A name=artifact`, `--swap name=alias`: what is given to a job."""

import functools
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import click

from dioptra_ray.errors import NotFoundError

if TYPE_CHECKING:
    from dioptra_ray.client import Client

_OUTPUT_OF_JOB: Final = re.compile(r"(\d+):(.+)")


def with_assignments(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `-P` and `-A`, as `parameters` and `artifacts`: texts by name."""

    @click.option(
        "-P",
        "--parameter",
        "parameters",
        metavar="NAME=VALUE",
        multiple=True,
        help="A parameter, as text; it is converted to the declared type.",
    )
    @click.option(
        "-A",
        "--artifact",
        "artifacts",
        metavar="NAME=ARTIFACT",
        multiple=True,
        help="An artifact parameter: an id, JOB:NAME, or NAME for the newest.",
    )
    @functools.wraps(function)
    def wrapper(
        *args: Any, parameters: tuple[str, ...], artifacts: tuple[str, ...], **kwargs: Any
    ) -> Any:
        return function(
            *args,
            parameters=parse_assignments(parameters, "-P"),
            artifacts=parse_assignments(artifacts, "-A"),
            **kwargs,
        )

    return wrapper


def with_swaps(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--swap`, as `swaps`: aliases by swap."""

    @click.option(
        "--swap",
        "swaps",
        metavar="NAME=ALIAS",
        multiple=True,
        help="The alternative that a step with a swap is to be.",
    )
    @functools.wraps(function)
    def wrapper(*args: Any, swaps: tuple[str, ...], **kwargs: Any) -> Any:
        return function(*args, swaps=parse_assignments(swaps, "--swap"), **kwargs)

    return wrapper


def parse_assignments(texts: Iterable[str], option: str) -> dict[str, str]:
    """Read NAME=VALUE.

    Raises:
        click.BadParameter: One is not of that form, or a name is given twice.
    """
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
        if name in values:
            raise click.BadParameter(f"{name!r} is given twice", param_hint=option)
        values[name] = value
    return values


def find_artifacts(client: "Client", references: dict[str, str]) -> dict[str, int]:
    """Find the artifacts that references mean, as ids by name."""
    return {name: find_artifact(client, text) for name, text in references.items()}


def find_artifact(client: "Client", reference: str) -> int:
    """Find the artifact that an id, JOB:NAME, or NAME means.

    Raises:
        NotFoundError: There is none.
    """
    if reference.isdecimal():
        return int(reference)
    match = _OUTPUT_OF_JOB.fullmatch(reference)
    if match:
        job, name = int(match[1]), match[2]
        found = client.artifacts.list(job=job, name=name, limit=1)
        where = f"job {job} has"
    else:
        name = reference
        found = client.artifacts.list(name=name, limit=1)
        where = "there is"
    if not found:
        raise NotFoundError(f"{where} no artifact called {name!r}", artifact=reference)
    return found[0].id
