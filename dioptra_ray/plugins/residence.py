"""What a process keeps of a plugin set while it is not active."""

import contextlib
import importlib
import linecache
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from dioptra_ray import alias, pyplugs
from dioptra_ray.plugins.grafting import Graft, needed_names
from dioptra_ray.plugins.warmth import Warmth
from dioptra_ray.plugins.watching import watched


class Residence:
    """The modules of a set, and what they have registered.

    Attributes:
        root: Holds one folder a plugin.
        names: Top-level names that are the set's alone.
        graft: The plugins whose names are not.
        modules: The set's modules by name.
        records: What they have registered.
        is_used: Whether they may differ from what an import would give.
    """

    def __init__(self, root: Path) -> None:
        """Get to know a set that this process has not seen."""
        alias.install()
        self.root = str(root)
        self.forget_files()  # another set may have had the same directory, with other files
        importlib.invalidate_caches()
        names = _import_names(root)
        needed = names & needed_names()
        self._warmth = Warmth(self.owns, lambda: self.records)
        self.graft = Graft(self.root, needed, self._warmth)
        self.names = names - needed
        self.modules: dict[str, ModuleType] = {}
        self.records: pyplugs.Records = {}
        self.is_used = False
        self._others: dict[str, ModuleType] = {}  # seen, and not of the set

    def owns(self, name: str) -> bool:
        """Whether a module belongs to this set: by its name, or by its file."""
        if name.partition(".")[0] in self.names:
            return True
        file = getattr(sys.modules.get(name), "__dict__", {}).get("__file__")
        if isinstance(file, str) and _is_within(file, self.root):
            return True
        return self.graft.owns(name)

    def find_spec(self, name: str, path: Any) -> ModuleSpec | None:
        """Find one of the set's own modules.

        The ordinary search would prefer a regular package elsewhere to a plugin folder
        without an `__init__.py`, and would merge such folders of one name.
        """
        top, _, below = name.partition(".")
        if top not in self.names:
            return None
        spec = PathFinder.find_spec(name, path if below else [self.root])
        if spec is not None and spec.loader is None and not below:
            spec.submodule_search_locations = [str(Path(self.root, name))]
        return watched(spec, self._warmth)

    def look_ahead(self) -> None:
        """Compile the modules, and find what there is to find; nothing is kept for a second job."""
        self._warmth.give_up()
        folders = [self.root, *(str(Path(self.root, name)) for name in self.names)]
        for path in (None, folders):
            # What is in each directory of the path is read when something is sought there.
            PathFinder.find_spec("dioptra_no_such_module", path)
        for file in Path(self.root).rglob("*.py"):
            # What cannot be compiled fails, with the place, in the job that imports it.
            with contextlib.suppress(Exception):
                self._warmth.codes[str(file)] = SourceFileLoader("", str(file)).get_code("")

    def forget_files(self) -> None:
        """Let Python not remember what it has found in the set's directories, and read there."""
        for remembered in (sys.path_importer_cache, linecache.cache):
            for path in [path for path in remembered if _is_within(path, self.root)]:
                remembered.pop(path, None)

    def found(self) -> dict[str, ModuleType]:
        """The modules that the set has now in `sys.modules`."""
        modules, others = {}, self._others
        for name, module in list(sys.modules.items()):
            if others.get(name) is not module:
                if self.owns(name):
                    modules[name] = module
                else:
                    others[name] = module
        return modules

    def collect(self) -> None:
        """Keep these."""
        self.modules = self.found()

    def renew(self) -> None:
        """Have the modules as a process finds them that imports them for the first time.

        They are still in `sys.modules`, since code of theirs may run when objects go.
        """
        self.is_used = False
        try:
            is_new = self._warmth.keeps(self.modules) and self._warmth.restore()
        except Exception:  # noqa: BLE001 - when in doubt, import them again
            is_new = False
        if is_new:
            self.records = self._warmth.registered()
        else:
            self._warmth.forget(self.modules)
            self.modules = {}
            self.records = {}


def _is_within(path: str, root: str) -> bool:
    return path == root or path.startswith(root + os.sep)


def _import_names(root: Path) -> frozenset[str]:
    folders = {entry.name for entry in root.iterdir() if entry.is_dir()}
    modules = {entry.stem for entry in root.glob("*.py")}
    return frozenset(name for name in folders | modules if name.isidentifier())
