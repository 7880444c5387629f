"""Tells what an import has done to others, which stays, from what a job does, which does not."""

import functools
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Any, Protocol


class Noting(Protocol):
    """Whoever notes how something should be."""

    def before_import(self) -> Any:
        """What it is like before something new is imported."""

    def after_import(self, before: Any, imported: tuple[str, ...]) -> None:
        """Take changes since as those of these modules, and note what is new in them."""


class ImportNotes:
    """A finder that finds nothing by itself, but notes what imports give, and change."""

    def __init__(self, noting: Sequence[Noting], imported: Callable[[], None]) -> None:
        """Prepare; `imported` is called after each import that was not part of another."""
        self._noting = tuple(noting)
        self._imported = imported
        self._ongoing = threading.local()

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """What the finders after this one find."""
        ongoing = self._ongoing
        if getattr(ongoing, "sought", None) == name:
            return None  # one of the others asks all others
        outer, ongoing.sought = getattr(ongoing, "sought", None), name
        try:
            return self._find(name, path, target)
        finally:
            ongoing.sought = outer

    def _find(self, name: str, path: Any, target: Any) -> ModuleSpec | None:
        finders = sys.meta_path
        after = next((i for i, one in enumerate(finders) if one is self), len(finders)) + 1
        for finder in finders[after:]:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                loader: Any = spec.loader
                if type(loader) in (SourceFileLoader, ExtensionFileLoader):
                    loader.exec_module = functools.partial(self._execute, loader)
                return spec
        return None

    def _execute(self, loader: Any, module: ModuleType) -> None:
        del loader.exec_module
        ongoing = self._ongoing
        names: list[str] | None = getattr(ongoing, "names", None)
        if names is not None:
            names.append(module.__name__)
            loader.exec_module(module)
            return
        ongoing.names = names = [module.__name__]
        before = [one.before_import() for one in self._noting]
        try:
            loader.exec_module(module)
        finally:
            ongoing.names = None
            for one, earlier in zip(self._noting, before, strict=True):
                one.after_import(earlier, tuple(names))
            self._imported()
