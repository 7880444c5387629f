"""Deciding which imported modules may serve the next job, and making them new for it.

A module is kept when its import was seen to give, in two jobs, equal results, and did
nothing but make the module: then what the next job would import is what is there already,
once all that the last job changed is put back. Anything else is imported for each job.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import RLock
from types import CodeType, FunctionType, ModuleType

from dioptra_ray.plugins.findings import Inspection
from dioptra_ray.plugins.footprint import footprint
from dioptra_ray.plugins.inspection import inspect_module
from dioptra_ray.plugins.ownership import ATOMS, Owns
from dioptra_ray.plugins.restoring import Overview, Restorable
from dioptra_ray.pyplugs import PluginInfo, Records

_TRIALS = 4
"""Imports after which a module that was not found to be the same each time never will be."""

_LEFT = (FunctionType, ModuleType, type, *ATOMS - {object})
"""What a module that is forgotten may go on to hold."""

_Observation = tuple[bool, tuple[object, ...] | None]
"""Whether all modules are as they were imported, and the process's state."""


@dataclass(slots=True)
class _Import:
    module: ModuleType
    inspection: Inspection
    is_settled: bool = False


class Warmth:
    """Watches the imports of one plugin set; a `Watcher` for its loaders.

    Attributes:
        codes: Compiled modules by file.
    """

    def __init__(self, owns: Owns, records: Callable[[], Records]) -> None:
        self.codes: dict[str, CodeType | None] = {}
        self._owns = owns
        self._records = records
        self._imports: dict[str, _Import] = {}
        self._subclasses: list[tuple[type, dict[int, type]]] = []
        self._registered: Records = {}
        self._apart: list[Restorable] = []
        self._overview: Overview | None = None
        # Of all jobs so far; by module.
        self._earlier: dict[str, int] = {}
        self._trials: dict[str, int] = {}
        self._is_hopeless = False
        # Of the import going on. An interruption can leave these as they are; then nothing
        # is kept.
        self._lock = RLock()
        self._depth = 0
        self._ongoing: dict[str, _Import] = {}
        self._before: _Observation = (False, None)
        self._known: dict[int, PluginInfo] = {}

    def give_up(self) -> None:
        """Look at nothing from now on: no other job comes."""
        self._is_hopeless = True

    def begin(self) -> None:
        """A module is about to be executed, maybe by the import of another."""
        with self._lock:
            if self._depth == 0 and not self._is_hopeless:
                self._before = self._observe()
                self._known = {id(info): info for *_, info in _entries(self._records())}
            self._depth += 1

    def executed(self, module: ModuleType) -> None:
        """It was: this is what a job finds that imports it."""
        if self._is_hopeless:
            return
        name = getattr(module.__spec__, "name", module.__name__)
        try:
            inspection = inspect_module(module, self._owns)
        except Exception:  # noqa: BLE001 - code of users may run; without this it is not kept
            return
        self._ongoing[name] = _Import(module, inspection)

    def end(self) -> None:
        """It was executed, or failed."""
        with self._lock:
            self._depth -= 1
            if self._depth or self._is_hopeless:
                return
            ongoing, self._ongoing = self._ongoing, {}
            self._imports.update(ongoing)
            self._apart, self._overview = [], None
            self._adopt_subclasses()
            is_proper = self._before[0] and self._observe() == self._before
            for name, one in ongoing.items():
                one.is_settled = (
                    is_proper
                    and not one.inspection.stateful
                    and self._earlier.get(name) == one.inspection.fingerprint
                )
            for package, plugin, info in _entries(self._records()):
                if self._known.get(id(info)) is not info:
                    _add(self._registered, package, plugin, info)

    def keeps(self, modules: Mapping[str, ModuleType]) -> bool:
        """Whether a job may be given these modules of another, once they are restored."""
        imports = self._imports
        return (
            self._depth == 0
            and imports.keys() == modules.keys()
            and all(one.is_settled and one.module is modules[n] for n, one in imports.items())
        )

    def restore(self) -> bool:
        """Put back all that was changed since the imports; False when that cannot be done."""
        if not self._has_known_subclasses():
            return False
        if not self._apart:
            self._apart = [one for one in self._restorables() if not one.views]
        for one in self._apart:
            one.restore()
        if self._overview is not None and self._overview.is_untouched():
            return True
        for one in self._restorables():
            one.restore()
        # What was dropped may have changed something when it was finalized.
        if not self._is_clean():
            return False
        self._overview = Overview(view for one in self._restorables() for view in one.views)
        return True

    def registered(self) -> Records:
        """What the imports have registered."""
        return {
            package: {plugin: dict(functions) for plugin, functions in plugins.items()}
            for package, plugins in self._registered.items()
        }

    def forget(self, modules: Mapping[str, ModuleType]) -> None:
        """Let go of the modules; remember what their imports were like."""
        for name, one in self._imports.items():
            self._earlier[name] = one.inspection.fingerprint
            if not one.is_settled:
                self._trials[name] = self._trials.get(name, 0) + 1
                self._is_hopeless |= self._trials[name] >= _TRIALS
        # Garbage in cycles stays for long: what holds memory or cares for its end goes now.
        for restorable in self._restorables():
            with suppress(Exception):  # code of users may run
                restorable.restore()
        for module in modules.values():
            if type(module) is ModuleType:
                _let_go(vars(module))
        self._imports = {}
        self._ongoing = {}
        self._subclasses = []
        self._registered = {}
        self._apart, self._overview = [], None
        self._depth = 0

    def _observe(self) -> "_Observation":
        try:
            return self._is_clean(), footprint()
        except Exception:  # noqa: BLE001 - an import must not fail for this
            return False, None

    def _is_clean(self) -> bool:
        return self._has_known_subclasses() and all(one.is_clean() for one in self._restorables())

    def _restorables(self) -> list[Restorable]:
        return [one for each in self._imports.values() for one in each.inspection.restorables]

    def _has_known_subclasses(self) -> bool:
        # A class made at run time is listed by its base for as long as it lives.
        return all(
            id(subclass) in known
            for cls, known in self._subclasses
            for subclass in _subclasses(cls)
        )

    def _adopt_subclasses(self) -> None:
        self._subclasses = [
            (cls, {id(subclass): subclass for subclass in _subclasses(cls)})
            for one in self._imports.values()
            for cls in one.inspection.classes
        ]


def _let_go(names: dict[str, object]) -> None:
    for name in list(names):
        if not name.startswith("__") and not issubclass(type(names.get(name)), _LEFT):
            names[name] = None


def _subclasses(cls: type) -> list[type]:
    return type.__subclasses__(cls)


def _entries(records: Records) -> Iterator[tuple[str, str, PluginInfo]]:
    for package, plugins in records.items():
        for plugin, functions in plugins.items():
            for info in functions.values():
                yield package, plugin, info


def _add(records: Records, package: str, plugin: str, info: PluginInfo) -> None:
    records.setdefault(package, {}).setdefault(plugin, {})[info.func_name] = info
