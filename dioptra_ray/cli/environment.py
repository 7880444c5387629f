"""`--num-gpus`, `--env` and so on: where and with what the jobs of a queue run."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from dioptra_ray.cli.assignments import parse_assignments
from dioptra_ray.cli.output import plain
from dioptra_ray.cli.paths import FILE
from dioptra_ray.language import load


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentOptions:
    """What was given of an environment.

    Attributes:
        settings: Settings that are not texts by name, and not of the runtime_env.
        named: `labels` and `resources`: what was given of them, by name.
        runtime_env: A whole runtime_env from a file; None if none was given.
        variables: Environment variables by name.
        pip: Packages.
    """

    settings: Mapping[str, Any]
    named: Mapping[str, Mapping[str, Any]]
    runtime_env: Mapping[str, Any] | None
    variables: Mapping[str, str]
    pip: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was given."""
        some = (self.settings, self.variables, self.pip, *self.named.values())
        return self.runtime_env is None and not any(some)

    def over(self, present: Mapping[str, Any]) -> dict[str, Any]:
        """An environment in which what was given takes the place of what is there.

        Labels, resources and environment variables are added to those that are there.
        """
        merged = {**present, **self.settings}
        for name, given in self.named.items():
            if given:
                merged[name] = {**merged.get(name, {}), **given}
        here = merged.get("runtime_env", {}) if self.runtime_env is None else self.runtime_env
        runtime_env = dict(here)
        if self.variables:
            runtime_env["env_vars"] = {**runtime_env.get("env_vars", {}), **self.variables}
        if self.pip:
            runtime_env["pip"] = list(self.pip)
        return {**merged, "runtime_env": runtime_env}


def with_environment(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options, as `environment`."""

    @functools.wraps(function)
    def wrapper(  # noqa: PLR0913 - one argument an option
        *args: Any,
        label: tuple[str, ...],
        resource: tuple[str, ...],
        env: tuple[str, ...],
        pip: tuple[str, ...],
        runtime_env: Path | None,
        isolation: str | None,
        **kwargs: Any,
    ) -> Any:
        settings = {name: kwargs.pop(name) for name in ("num_cpus", "num_gpus", "memory")}
        settings["isolation"] = {"process": "process", "shared": ""}.get(isolation or "")
        options = EnvironmentOptions(
            settings={name: value for name, value in settings.items() if value is not None},
            named={
                "labels": parse_assignments(label, "--label"),
                "resources": {
                    name: _number(value)
                    for name, value in parse_assignments(resource, "--resource").items()
                },
            },
            runtime_env=None if runtime_env is None else plain(load(runtime_env)),
            variables=parse_assignments(env, "--env"),
            pip=pip,
        )
        return function(*args, environment=options, **kwargs)

    for option in reversed(_OPTIONS):
        wrapper = option(wrapper)
    return wrapper


_OPTIONS = (
    click.option("--num-cpus", type=float, help="CPUs that a step asks for that says nothing."),
    click.option("--num-gpus", type=float, help="GPUs, likewise: a fraction or a whole number."),
    click.option("--memory", metavar="SIZE", help='Memory, likewise, such as "4GiB".'),
    click.option(
        "--label", metavar="KEY=VALUE", multiple=True, help="A label that nodes must have."
    ),
    click.option(
        "--resource", metavar="NAME=AMOUNT", multiple=True, help="A custom Ray resource, likewise."
    ),
    click.option(
        "--env",
        metavar="NAME=VALUE",
        multiple=True,
        help="An environment variable; it is stored in plain text, so not for secrets.",
    ),
    click.option(
        "--pip", metavar="PACKAGE", multiple=True, help="A package that Ray installs with pip."
    ),
    click.option(
        "--runtime-env", type=FILE, help="YAML, TOML or JSON file with a Ray runtime_env."
    ),
    click.option(
        "--isolation",
        type=click.Choice(["process", "shared"]),
        help="A process of its own for each stage, or warm ones that are shared.",
    ),
)


def _number(text: str) -> Any:
    """A number if the text is one; whatever else is refused with all other problems."""
    try:
        return float(text)
    except ValueError:
        return text
