"""What a process derives once from a plan, and keeps for the next job of it."""

import functools
from collections.abc import Mapping
from typing import Any

import yaml

from dioptra_ray.engine import Program

_KEPT = 64
_compiled: dict[str, "CompiledPlan"] = {}


class CompiledPlan:
    """A plan's description in the forms that a stage needs.

    Attributes:
        program: What the engine runs.
    """

    def __init__(self, description: Mapping[str, Any]) -> None:
        self.program = Program(description)
        self._description = description

    @functools.cached_property
    def text(self) -> bytes:
        """The description as YAML."""
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        content = dict(self._description)
        return str(yaml.dump(content, Dumper=dumper, sort_keys=False, allow_unicode=True)).encode()


def compiled(digest: str, description: Mapping[str, Any]) -> CompiledPlan:
    """The compiled form of the plan with this digest."""
    plan = _compiled.get(digest)
    if plan is None:
        while len(_compiled) >= _KEPT:
            del _compiled[next(iter(_compiled))]
        plan = _compiled[digest] = CompiledPlan(description)
    return plan
