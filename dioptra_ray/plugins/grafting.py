"""Plugins named like a module that this process needs.

A plugin called `statistics` or `yaml` must run, and must not break whoever imports the real
one while the plugin is active. So the real module keeps its name, and the plugin's files
appear below it: `import yaml` is the library for everybody, `yaml.tasks` is the plugin's.
Only the plugin's own `__init__.py` cannot be seen then.
"""

import importlib
import logging
import os
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from dioptra_ray.plugins.watching import Watcher, watched

_LOG = logging.getLogger(__name__)
_UNSAFE_TO_IMPORT = frozenset({"antigravity", "this"})
# What our own code may import at any moment, also for the first time while a plugin runs.
_OWN = frozenset(
    {
        "certifi",
        "click",
        "cloudpickle",
        "dioptra",
        "dioptra_controller",
        "dioptra_ray",
        "dioptra_workers",
        "google",
        "grpc",
        "jsonschema",
        "minio",
        "msgpack",
        "numpy",
        "pydantic",
        "pydantic_core",
        "pydantic_settings",
        "ray",
        "rich",
        "structlog",
        "urllib3",
        "yaml",
    }
)
_INSTALLED_IN = tuple({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})


@cache
def needed_names() -> frozenset[str]:
    """Top-level names of what this process itself runs on.

    That is the standard library, our own imports, and the installed packages that are loaded
    when this is asked for the first time, before any plugin ran.
    """
    loaded = {
        name
        for name, module in list(sys.modules.items())
        if "." not in name and _is_installed(module)
    }
    return frozenset(loaded | _OWN | (sys.stdlib_module_names - _UNSAFE_TO_IMPORT))


class Graft:
    """The plugins of one set that share their name with a needed module.

    Attributes:
        names: Their names.
    """

    def __init__(self, root: str, names: frozenset[str], watcher: Watcher) -> None:
        """Load the needed modules, while their names are still theirs alone."""
        self._root = root
        self._watcher = watcher
        self.names = frozenset(name for name in names if _can_import(name))
        self._made_packages: list[ModuleType] = []
        for name in sorted(self.names):
            if _has_content(Path(root, name, "__init__.py")) or Path(root, f"{name}.py").exists():
                _LOG.warning(
                    "The plugin %r has the name of an installed module, which keeps it: only "
                    "modules in the plugin's folder can be used. Better rename the plugin.",
                    name,
                )

    def owns(self, name: str) -> bool:
        """Whether a loaded module is the plugin's and not the needed module's own."""
        if name.partition(".")[0] not in self.names or "." not in name:
            return False
        spec = getattr(sys.modules.get(name), "__spec__", None)
        places = [getattr(spec, "origin", None) or ""]
        places.extend(getattr(spec, "submodule_search_locations", None) or ())
        return any(str(place).startswith(self._root + os.sep) for place in places)

    def attach(self, modules: Mapping[str, ModuleType]) -> None:
        """Let imports below the names find the plugins' files."""
        if not self.names:
            return
        for name in self.names:
            module = sys.modules[name]
            if not hasattr(module, "__path__"):
                module.__path__ = []
                self._made_packages.append(module)
        for name, module in modules.items():
            parent, _, child = name.rpartition(".")
            if parent in self.names:
                setattr(sys.modules[parent], child, module)
        sys.meta_path.append(self)

    def detach(self, modules: Mapping[str, ModuleType]) -> None:
        """Undo `attach`; `modules` are those that the set owns now."""
        if not self.names:
            return
        sys.meta_path.remove(self)
        for name, module in modules.items():
            parent, _, child = name.rpartition(".")
            if parent in self.names and getattr(sys.modules[parent], child, None) is module:
                delattr(sys.modules[parent], child)
        while self._made_packages:
            del self._made_packages.pop().__path__

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find `needed.x` in the plugin's folder, once everybody else has given up."""
        parent, _, child = name.rpartition(".")
        if parent not in self.names or not child:
            return None
        return watched(PathFinder.find_spec(name, [str(Path(self._root, parent))]), self._watcher)


def _is_installed(module: ModuleType) -> bool:
    file = getattr(module, "__dict__", {}).get("__file__")
    return isinstance(file, str) and file.startswith(_INSTALLED_IN)


def _can_import(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:  # a module of another platform
        return False
    return True


def _has_content(file: Path) -> bool:
    return file.is_file() and bool(file.read_text(encoding="utf-8", errors="replace").strip())
