"""Where and with what the jobs of a queue run, as users write it and as plans take it.

Written as one mapping, in `dioptra.toml`, in Python and on the command line alike:

    {"num_gpus": 1, "memory": "16GiB", "labels": {"zone": "b"},
     "runtime_env": {"env_vars": {"OMP_NUM_THREADS": "1"}}, "isolation": "process"}
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.planning import runtime_envs
from dioptra_ray.planning.declarations import read_setting
from dioptra_ray.planning.plan import Isolation, Resources, StageEnvironment
from dioptra_ray.planning.runtime_envs import shown

MAX_SIZE: Final = 64 * 1024
"""Bytes that an environment may have as JSON."""

DEFAULTS: Final = ("num_cpus", "num_gpus", "memory", "labels", "resources")
"""What a step asks for that says nothing."""

KEYS: Final = (*DEFAULTS, "runtime_env", "isolation")

_LARGEST_NUMBER = 1e9
_LARGEST_MEMORY = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where and with what the jobs of a queue run.

    Attributes:
        defaults: What a step asks for that says nothing.
        stages: What every stage gets.
    """

    defaults: Resources = field(default_factory=Resources)
    stages: StageEnvironment = field(default_factory=StageEnvironment)

    @property
    def runtime_env(self) -> dict[str, Any]:
        """Ray's `runtime_env`; empty for none."""
        return self.stages.load_runtime_env()

    def to_mapping(self) -> dict[str, Any]:
        """What differs from the defaults, as `read_environment` reads it."""
        defaults, nothing = self.defaults, Resources()
        said: dict[str, Any] = {
            name: getattr(defaults, name)
            for name in ("num_cpus", "num_gpus", "memory")
            if getattr(defaults, name) != getattr(nothing, name)
        }
        optional = {
            "labels": dict(defaults.labels),
            "resources": dict(defaults.custom),
            "runtime_env": self.runtime_env,
            "isolation": self.stages.isolation,
        }
        return said | {name: value for name, value in optional.items() if value}


NOTHING: Final = Environment()


def read_environment(mapping: Any) -> Environment:
    """Read an environment as users write it; a value of None says nothing.

    Raises:
        InvalidRequestError: Something in it is wrong; the message lists everything.
    """
    problems = find_problems(mapping)
    if problems:
        raise InvalidRequestError("; ".join(problems))
    said = {name: value for name, value in mapping.items() if value is not None}
    read = {name: read_setting(name, said[name]) for name in DEFAULTS if name in said}
    if "resources" in read:
        read["custom"] = read.pop("resources")
    # Without what is empty: a stage with a runtime_env cannot have a warm process.
    runtime_env = {key: value for key, value in said.get("runtime_env", {}).items() if value}
    return Environment(
        defaults=Resources(**read),
        stages=StageEnvironment(
            runtime_env=_canonical(runtime_env) if runtime_env else "",
            isolation=cast(Isolation, said.get("isolation", "")),
        ),
    )


def find_problems(mapping: Any) -> list[str]:
    """Everything that is wrong with an environment, each as "KEY what it must be"."""
    if not isinstance(mapping, Mapping):
        return [f"environment must be a mapping, not {shown(mapping)}"]
    problems: list[str] = []
    for name, value in mapping.items():
        if name not in KEYS:
            close = difflib.get_close_matches(str(name), KEYS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(KEYS)}"
            problems.append(f"{shown(name)} is not a setting of an environment ({hint})")
        elif value is not None:
            problems += _find_in(name, value)
    return problems or _find_size_problems(mapping)


def _find_in(name: str, value: Any) -> list[str]:
    if name == "runtime_env":
        found = runtime_envs.find_problems(value)
        return [f"runtime_env{where and '.' + where}: {what}" for where, what in found]
    if name == "isolation":
        good = value in ("", "process")
        return [] if good else [f'isolation must be "process" or empty, not {shown(value)}']
    try:
        read = read_setting(name, value)
    except ValueError as error:
        return [f"{name} must be {error}, not {shown(value)}"]
    largest = _LARGEST_MEMORY if name == "memory" else _LARGEST_NUMBER
    amounts = read if name == "resources" else ((name, read),)
    if name != "labels" and any(amount > largest for _, amount in amounts):
        return [f"{name} must be at most {largest:g}, not {shown(value)}"]
    texts = [text for pair in read for text in pair] if name == "labels" else []
    if any("\0" in text for text in texts):
        return [f"{name} must not hold NUL characters"]
    return []


def _find_size_problems(mapping: Mapping[Any, Any]) -> list[str]:
    try:
        size = len(_canonical(mapping).encode())
    except (TypeError, ValueError, RecursionError):
        # Conda environments may hold anything, and any text may hold half a character.
        return ["the environment holds something that JSON cannot, such as a date or NaN"]
    if size > MAX_SIZE:
        return [f"the environment has {size} bytes as JSON, but at most {MAX_SIZE} may be"]
    return []


def _canonical(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
