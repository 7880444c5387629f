"""Making one plugin set the one that this process sees.

A plugin set is a directory with one folder a plugin, named by a hash of its contents.
While a set is active, its root leads `sys.path`, its modules are in `sys.modules`, its
registrations are the ones that pyplugs finds, and classes of its modules can be pickled by
name. Afterwards nothing of it is left, so that another set, with other versions of the
same plugins, finds a clean process; the modules are kept aside, so that activating the set
again imports nothing.

A plugin may have the name of a module that this process needs itself: see `grafting`.
"""

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from signal import pthread_sigmask
from threading import RLock
from types import ModuleType

from dioptra_ray import pyplugs
from dioptra_ray.errors import PreconditionError
from dioptra_ray.plugins.residence import Residence


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSet:
    """Plugins that are used together.

    Attributes:
        key: Equal for equal contents, and only then.
        root: Holds one folder a plugin, named as it is imported.
    """

    key: str
    root: Path


class _SetFinder:
    """Finds the modules of the active set before anybody else, and notices any import."""

    def __init__(self, residence: Residence) -> None:
        self._residence = residence
        self.noticed = False

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        self.noticed = True
        return self._residence.find_spec(name, path)


@dataclass(slots=True)
class _Activation:
    """The set that is active now, what it pushed aside, and how many modules there were."""

    plugin_set: PluginSet
    residence: Residence
    sys_path: list[str]
    displaced: dict[str, ModuleType]
    records: pyplugs.Records
    finder: _SetFinder
    size: int = 0
    depth: int = 1
    fresh: bool = True


# A handler of these may raise, as a worker's does to cancel a job; in the middle of an
# exchange of modules that would leave neither state.
_INTERRUPTIONS = frozenset(
    {signal.SIGALRM, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
)
_KEPT = 32  # sets that are not active; the modules of others can be collected

_lock = RLock()
_residences: dict[str, Residence] = {}  # the longest unused one first
_active: _Activation | None = None


@contextmanager
def activate(plugin_set: PluginSet, *, fresh: bool = True) -> Iterator[None]:
    """Make `plugin_set` the active one for a while.

    The active set may be activated again meanwhile, also by other threads; another may not.

    Args:
        plugin_set: The set.
        fresh: The body is a job of its own: it finds the modules as if it were the first to
            import them, and nothing stays of what it does to them. Otherwise it goes on with
            what the last body that was not fresh has left. Inside of an activation of the
            same set this says nothing: that one's body is the job.

    Raises:
        PreconditionError: Another set is active in this process.
    """
    before = pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTIONS)
    try:
        _enter(plugin_set, fresh=fresh)
        try:
            pthread_sigmask(signal.SIG_SETMASK, before)
            yield
        finally:
            try:
                pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTIONS)
            finally:
                _leave()
    finally:
        pthread_sigmask(signal.SIG_SETMASK, before)


def get_ready(plugin_set: PluginSet) -> None:
    """Do ahead, running no code of the set, what `activate_for_good` in a fork would do."""
    residence = Residence(plugin_set.root)
    residence.look_ahead()
    with _lock:
        _residences[plugin_set.key] = residence


def activate_for_good(plugin_set: PluginSet) -> None:
    """Make `plugin_set` the active one of a process that ends when its only job has.

    Raises:
        PreconditionError: Another set is active in this process.
    """
    _enter(plugin_set, fresh=False)


def active_root() -> Path | None:
    """The root of the active set; None when none is active."""
    return _active.plugin_set.root if _active else None


def forget(key: str) -> None:
    """Drop what is kept of a set that is not active, so that its next use starts afresh."""
    with _lock:
        if _active and _active.plugin_set.key == key:
            raise PreconditionError("A plugin set cannot be forgotten while it is active.")
        if (residence := _residences.pop(key, None)) is not None:
            residence.forget_files()


def _enter(plugin_set: PluginSet, *, fresh: bool) -> None:
    global _active  # noqa: PLW0603 - sys.modules is the process's, and so is this
    with _lock:
        if _active is not None:
            if _active.plugin_set != plugin_set:
                raise PreconditionError(
                    "Another plugin set is active in this process; one process serves one "
                    "plugin set at a time."
                )
            _active.depth += 1
            return
        residence = _residences.pop(plugin_set.key, None)
        if residence is None or residence.root != str(plugin_set.root):
            residence = Residence(plugin_set.root)
        _residences[plugin_set.key] = residence
        if len(_residences) > _KEPT:
            _residences.pop(next(iter(_residences))).forget_files()
        _active = _Activation(
            plugin_set=plugin_set,
            residence=residence,
            sys_path=list(sys.path),
            displaced=_displace(residence),
            records={},
            finder=_SetFinder(residence),
            fresh=fresh,
        )
        sys.path.insert(0, residence.root)
        _put_in(_active)
        sys.meta_path.insert(0, _active.finder)
        if fresh and residence.is_used:
            _renew(_active)
        residence.is_used = True
        _active.records = pyplugs.exchange_records(residence.records)
        _active.size = len(sys.modules)


def _leave() -> None:
    global _active  # noqa: PLW0603
    with _lock:
        active = _active
        if active is None:  # pragma: no cover - every _leave has its _enter
            return
        active.depth -= 1
        if active.depth:
            return
        residence = active.residence
        if active.finder.noticed or _was_changed(active):
            residence.collect()
        residence.records = pyplugs.exchange_records(active.records)
        if active.fresh:
            _renew(active)
        _take_out(active, residence.modules)
        sys.meta_path.remove(active.finder)
        sys.modules.update(active.displaced)
        sys.path[:] = active.sys_path
        _active = None


def _renew(active: _Activation) -> None:
    """Have the set as new; what it then has no more is not in `sys.modules` either."""
    residence, finder = active.residence, active.finder
    before, finder.noticed = residence.modules, False
    residence.renew()
    if finder.noticed:  # by what ran when objects of the last job went
        before = residence.found()
    if residence.modules is not before:
        _take_out(active, before)
        _put_in(active)


def _put_in(active: _Activation) -> None:
    modules = active.residence.modules
    sys.modules.update(modules)
    active.residence.graft.attach(modules)


def _take_out(active: _Activation, modules: Mapping[str, ModuleType]) -> None:
    active.residence.graft.detach(modules)
    for name in modules:
        sys.modules.pop(name, None)


def _displace(residence: Residence) -> dict[str, ModuleType]:
    """Take modules out of `sys.modules` that others imported under the set's names."""
    if not any(name in sys.modules for name in residence.names):
        return {}
    taken = [name for name in sys.modules if name.partition(".")[0] in residence.names]
    return {name: sys.modules.pop(name) for name in taken}


def _was_changed(active: _Activation) -> bool:
    """Whether plugin code put modules into `sys.modules` or took them out by hand."""
    if len(sys.modules) != active.size:
        return True
    kept = active.residence.modules
    return any(sys.modules.get(name) is not module for name, module in kept.items())
