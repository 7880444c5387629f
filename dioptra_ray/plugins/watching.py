"""Loaders that tell when a module of the plugin set is executed, and what it registered.

The code of a module is kept: a set that has to be imported for each job is not read and
compiled for each.
"""

from importlib.machinery import ModuleSpec, NamespaceLoader, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any, Protocol


class Watcher(Protocol):
    """Whoever wants to know.

    Attributes:
        codes: Compiled modules by file.
    """

    codes: dict[str, CodeType | None]

    def begin(self) -> None:
        """A module is about to be executed."""

    def executed(self, module: ModuleType) -> None:
        """It was, without an exception."""

    def end(self) -> None:
        """It was, or failed; comes after each `begin`."""


class _WatchedSource(SourceFileLoader):
    def __init__(self, name: str, path: str, watcher: Watcher) -> None:
        super().__init__(name, path)
        self._watcher = watcher

    def get_code(self, fullname: str) -> CodeType | None:
        codes = self._watcher.codes
        if self.path not in codes:
            codes[self.path] = super().get_code(fullname)
        return codes[self.path]

    def exec_module(self, module: ModuleType) -> None:
        self._watcher.begin()
        try:
            super().exec_module(module)
            self._watcher.executed(module)
        finally:
            self._watcher.end()


class _WatchedFolder(NamespaceLoader):
    """Of a package without an `__init__.py`."""

    def __init__(self, name: str, path: Any, watcher: Watcher) -> None:
        super().__init__(name, path, lambda *_: None)
        self._watcher = watcher

    def exec_module(self, module: ModuleType) -> None:
        self._watcher.begin()
        try:
            self._watcher.executed(module)
        finally:
            self._watcher.end()


def watched(spec: ModuleSpec | None, watcher: Watcher) -> ModuleSpec | None:
    """Have what `spec` loads reported; what has other loaders than Python source is not."""
    if spec is None:
        return None
    if spec.loader is None and spec.submodule_search_locations is not None:
        locations = spec.submodule_search_locations
        folder = ModuleSpec(
            spec.name, _WatchedFolder(spec.name, locations, watcher), is_package=True
        )
        folder.submodule_search_locations = locations
        return folder
    if type(spec.loader) is SourceFileLoader:
        spec.loader = _WatchedSource(spec.name, spec.loader.path, watcher)
    return spec
