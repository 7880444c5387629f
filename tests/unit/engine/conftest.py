"""A graph of tasks that live in the test itself."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dioptra_ray import pyplugs
from dioptra_ray.engine import Execution, Observer

Task = Callable[..., Any]
Run = Callable[..., Execution]


@pytest.fixture
def tasks() -> Iterator[Callable[..., dict[str, Any]]]:
    """Makes the `tasks` section for functions, by task name; outputs by keyword."""
    before = pyplugs.exchange_records({})
    module = sys.modules["made_up.tasks"] = ModuleType("made_up.tasks")

    def define(outputs: Any = None, /, **functions: Task) -> dict[str, Any]:
        for name, function in functions.items():
            function.__module__, function.__name__ = module.__name__, name
            pyplugs.register(function)
        default = {"value": "any"} if outputs is None else outputs
        return {name: {"plugin": f"made_up.tasks.{name}", "outputs": default} for name in functions}

    yield define
    del sys.modules["made_up.tasks"]
    pyplugs.exchange_records(before)


@pytest.fixture
def execution(tmp_path: Path) -> Run:
    """Makes an execution of a description."""

    def make(
        description: dict[str, Any],
        *,
        parameters: dict[str, Any] | None = None,
        artifacts: dict[str, dict[str, Any]] | None = None,
        artifact_tasks: dict[str, str] | None = None,
        observer: Observer | None = None,
    ) -> Execution:
        return Execution(
            description,
            parameters=parameters or {},
            artifacts=artifacts or {},
            working_dir=tmp_path,
            artifact_tasks=artifact_tasks or {},
            observer=observer,
        )

    return make
