"""The import hook that serves `dioptra.*` from our modules."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

_SERVED = {
    "dioptra.pyplugs": "dioptra_ray.pyplugs",
    "dioptra.sdk.api.artifact": "dioptra_ray.artifact",
    "dioptra.sdk.exceptions": "dioptra_ray.alias.exceptions",
    "dioptra.sdk.exceptions.base": "dioptra_ray.alias.exceptions",
    "dioptra.sdk.exceptions.generics": "dioptra_ray.alias.exceptions",
    "dioptra.sdk.exceptions.optional_dependencies": "dioptra_ray.alias.exceptions",
    "dioptra.sdk.exceptions.pyplugs": "dioptra_ray.alias.exceptions",
    "dioptra.sdk.generics": "dioptra_ray.alias.generics",
    "dioptra.sdk.utilities.auth_client": "dioptra_ray.alias.auth_client",
    "dioptra.sdk.utilities.contexts": "dioptra_ray.alias.contexts",
    "dioptra.sdk.utilities.decorators": "dioptra_ray.alias.decorators",
    "dioptra.sdk.utilities.paths": "dioptra_ray.alias.paths",
}
"""Our module by Dioptra's name for it."""

IMPORTABLE = str(Path(__file__).with_name("importable"))
"""Holds a package `dioptra` that installs the hook when it is imported."""

_PARENTS = frozenset(
    name.rsplit(".", depth)[0] for name in _SERVED for depth in range(1, name.count(".") + 1)
)


class _AliasLoader(Loader):
    """Fills a module with the public names of one of ours; with none, leaves it empty."""

    def __init__(self, source: str | None) -> None:
        self.source = source

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        if self.source is None:
            return
        source = import_module(self.source)
        module.__doc__ = source.__doc__
        vars(module).update(
            (name, value) for name, value in vars(source).items() if not name.startswith("_")
        )
        if hasattr(source, "__all__"):
            vars(module)["__all__"] = source.__all__


class _AliasFinder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _SERVED and fullname not in _PARENTS:
            return None
        installed = self._find_installed(fullname, path, target)
        if fullname not in _SERVED and installed is not None:
            return installed
        is_package = fullname in _PARENTS
        spec = ModuleSpec(fullname, _AliasLoader(_SERVED.get(fullname)), is_package=is_package)
        if is_package and installed is not None:
            spec.submodule_search_locations = installed.submodule_search_locations
        return spec

    def _find_installed(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(fullname, path, target)):
                if spec.origin is None or not spec.origin.startswith(IMPORTABLE):
                    return spec
                return PathFinder.find_spec(fullname, [p for p in sys.path if p != IMPORTABLE])
        return None


def search_path() -> str:
    """PYTHONPATH for programs that are started: they find us, and what they found before."""
    before = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return os.pathsep.join(dict.fromkeys([IMPORTABLE, *before]))


def install() -> None:
    """Serve `dioptra.*` in this process from now on. Calling it again changes nothing.

    Also in processes that are spawned: those get this one's `sys.path`.
    """
    if IMPORTABLE not in sys.path:
        sys.path.insert(0, IMPORTABLE)
    if any(isinstance(finder, _AliasFinder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _AliasFinder())
    for name in _SERVED:
        # An installed Dioptra that was imported before gives way, too.
        if sys.modules.pop(name, None) is not None:
            import_module(name)
