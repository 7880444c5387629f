"""Descriptions in shorthand, for tests of the planner."""

from collections.abc import Mapping, Sequence
from typing import Any


def describe(
    graph: Mapping[str, Sequence[str]],
    *,
    execution: Mapping[str, Any] | None = None,
    artifacts: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A description whose steps take the values of the steps named.

    A name after "!" is an order-only dependency. Each step calls a task of its own name.
    """
    description: dict[str, Any] = {
        "tasks": {step: {"plugin": f"p.m.{step}", "outputs": {"o": "any"}} for step in graph},
        "graph": {
            step: {
                "task": step,
                "args": [f"${name}" for name in names if not name.startswith("!")],
                "dependencies": [name[1:] for name in names if name.startswith("!")],
            }
            for step, names in graph.items()
        },
    }
    if execution is not None:
        description["execution"] = dict(execution)
    if artifacts:
        description["artifact_outputs"] = {
            name: {"contents": contents, "task": {"name": "Save"}}
            for name, contents in artifacts.items()
        }
    return description
