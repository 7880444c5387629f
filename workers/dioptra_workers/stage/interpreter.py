"""Puts the interpreter back to what it was before a job's code ran in it.

This happens while the job's plugins are still in place, since taking them out relies on
what a job may have ruined: `sys.meta_path`, `open`, `json.dumps`.
"""

import builtins
import functools
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dioptra_ray.plugins import footprint
from dioptra_workers.stage.classes import Classes
from dioptra_workers.stage.health import spoil
from dioptra_workers.stage.importing import ImportNotes
from dioptra_workers.stage.namespaces import Namespaces
from dioptra_workers.stage.settings import Settings

_namespaces = Namespaces()
_classes = Classes()
_settings = Settings()
_builtins: dict[str, Any] = vars(builtins).copy()


@functools.cache
def prepare() -> None:
    """Note what this process is like; once, before anybody's code runs in it."""
    note()
    sys.meta_path.insert(0, ImportNotes((_namespaces, _classes), _settings.note))
    # A plugin that changes such things while it is imported must be imported by each job.
    footprint.further.append(_footprint)


def note() -> None:
    """Take what was imported since as it is; no plugin set is active."""
    _namespaces.note()
    _classes.note()
    _settings.note()


def restore_classes() -> None:
    """Undo what a stage did to classes of libraries; no plugin set is active."""
    _classes.restore()


def _footprint() -> Any:
    return _namespaces.patched(), _classes.patched(), _settings.present()


@contextmanager
def intact() -> Iterator[None]:
    """Undo what the body does to the interpreter and the libraries in it."""
    prepare()
    lists = [(name, getattr(sys, name)) for name in ("path", "meta_path", "path_hooks", "argv")]
    contents = [list(held) for _, held in lists]
    modules = sys.modules.copy()
    has_alarm = signal.getitimer(signal.ITIMER_REAL)[0] > 0
    try:
        yield
    finally:
        _restore_builtins()
        for (name, held), content in zip(lists, contents, strict=True):
            if held != content:
                held[:] = content
            setattr(sys, name, held)
        if not has_alarm:
            signal.setitimer(signal.ITIMER_REAL, 0)
        _restore_modules(modules)
        _namespaces.restore()
        if not _settings.restore():
            spoil("A setting of the process cannot be put back.")


def _restore_builtins() -> None:
    # Without using any of them; what was added is left to the others.
    builtins.__dict__.update(_builtins)


def _restore_modules(modules: dict[str, Any]) -> None:
    """Put back modules that the job took out of `sys.modules`, or replaced there."""
    present = sys.modules
    if len(present) == len(modules) and present == modules:  # identical ones are not compared
        return
    for name, module in modules.items():
        if present.get(name) is not module and _namespaces.knows(name):
            present[name] = module
