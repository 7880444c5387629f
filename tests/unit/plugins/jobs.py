"""Running jobs with one plugin set, one after another."""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from dioptra_ray.plugins.activation import PluginSet, activate

JOBS = 6
"""So many that some import the modules and some find them kept."""

_SETTLED = 2  # so many jobs import a module before it may be kept


def run_jobs(
    plugin_set: PluginSet, before: Callable[[int], None] = lambda _: None, *, idle: int = 0
) -> tuple[list[Any], list[ModuleType]]:
    """Call `plug.tasks.step` in each job: what it returned, and the module that it was of.

    Before them come `idle` jobs that only import it.
    """
    seen, modules = [], []
    for _ in range(idle):
        with activate(plugin_set):
            importlib.import_module("plug.tasks")
    for job in range(JOBS):
        before(job)
        with activate(plugin_set):
            module = importlib.import_module("plug.tasks")
            seen.append(module.step())
        modules.append(module)
    return seen, modules


def is_kept(modules: list[ModuleType]) -> bool:
    return len(set(map(id, modules[_SETTLED - 1 :]))) == 1


def is_imported_each_time(modules: list[ModuleType]) -> bool:
    return len(set(map(id, modules))) == len(modules)
