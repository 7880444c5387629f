"""What a job and a sweep have in common when they are submitted."""

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Where something is to run, and how long it may."""

    experiment: str = ""
    queue: str = ""
    description: str = ""
    timeout: float = 0.0
    snapshot: int = 0

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `submit`."""
        return asdict(self)


def with_submission(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options, as `submission`."""

    @click.option("--experiment", default="", help='The experiment; "default" if not given.')
    @click.option("--queue", default="", help='The queue; "default" if not given.')
    @click.option("--description", default="", help="Free text.")
    @click.option("--timeout", type=float, default=0.0, help="Seconds a job may run.")
    @click.option(
        "--snapshot", type=int, default=0, help="The entrypoint's snapshot, not the newest."
    )
    @functools.wraps(function)
    def wrapper(
        *args: Any,
        experiment: str,
        queue: str,
        description: str,
        timeout: float,
        snapshot: int,
        **kwargs: Any,
    ) -> Any:
        submission = Submission(
            experiment=experiment,
            queue=queue,
            description=description,
            timeout=timeout,
            snapshot=snapshot,
        )
        return function(*args, submission=submission, **kwargs)

    return wrapper
