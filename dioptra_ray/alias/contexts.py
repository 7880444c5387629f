"""What older plugins import from `dioptra.sdk.utilities.contexts`."""

import builtins
import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import IO, Any

__all__ = ["env_vars", "import_temp", "plugin_dirs", "redirect_print", "sys_path_dirs"]


@contextmanager
def env_vars(env_updates: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while; all changes made meanwhile are undone."""
    before = dict(os.environ)
    os.environ.update(env_updates)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def sys_path_dirs(dirs: Iterable[str | Path] = (".",)) -> Iterator[None]:
    """Import from more directories for a while; they come after the first entry."""
    before = list(sys.path)
    resolved = [str(path) for path in map(Path.resolve, map(Path, dirs)) if path.is_dir()]
    sys.path[:] = dict.fromkeys([*before[:1], *resolved, *before[1:]])
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def plugin_dirs(dirs: Iterable[str | Path] = (".",)) -> Iterator[None]:
    """As `sys_path_dirs`, with the directories in DIOPTRA_PLUGIN_DIR first."""
    configured = os.environ.get("DIOPTRA_PLUGIN_DIR", "").split(":")
    with sys_path_dirs([*(path for path in configured if Path(path).is_absolute()), *dirs]):
        yield


@contextmanager
def import_temp(package_name: str, path: Path) -> Iterator[ModuleType]:
    """Import a module from `path`; forget all modules imported meanwhile."""
    before = set(sys.modules)
    sys.path.insert(0, str(path.resolve()))
    try:
        yield importlib.import_module(package_name)
    finally:
        sys.path.remove(str(path.resolve()))
        for name in set(sys.modules) - before:
            del sys.modules[name]


@contextmanager
def redirect_print(new_target: IO[str] | None = None) -> Iterator[None]:
    """Send what is printed to `new_target`, or nowhere."""
    original = builtins.print

    def redirected(*values: Any, **options: Any) -> None:
        if new_target is not None:
            original(*values, **{**options, "file": new_target})

    builtins.print = redirected
    try:
        yield
    finally:
        builtins.print = original
