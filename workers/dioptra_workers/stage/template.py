"""The process that fresh processes are forked from: warm, but untouched by any plugin.

It has imported what a stage needs, and what a plugin set imports from outside of it, but
nothing of the set itself; it has one thread, no Ray, and has not looked for a GPU. For each
stage its owner, a worker process, sends one descriptor, and a fork goes on with that. When
the owner is gone, so is it, with everything that it has forked; so it is when nobody has
wanted anything of it for long.

    python -m dioptra_workers.stage.template DESCRIPTOR SETTINGS
"""

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from dioptra_ray import alias
from dioptra_ray.plugins.activation import PluginSet, get_ready
from dioptra_ray.plugins.grafting import needed_names
from dioptra_workers.stage import capture, environment, run
from dioptra_workers.stage.forking import DIE_WITH_PARENT, Forker


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSettings:
    """What a template is made for.

    Attributes:
        key: Of the plugin set.
        root: Where its plugins are.
        store_url: The artifact store.
        modules: What to import.
        avoided: What not to import, after all: it would not survive a fork.
        idle_seconds: So long a process waits to be wanted; the template leaves with the last.
    """

    key: str
    root: str
    store_url: str
    modules: tuple[str, ...]
    avoided: tuple[str, ...] = ()
    idle_seconds: float = 600.0

    def to_json(self) -> str:
        """As text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From such text."""
        values = json.loads(text)
        for name in ("modules", "avoided"):
            values[name] = tuple(values[name])
        return cls(**values)


def main(arguments: Sequence[str]) -> None:
    """Fork until the owner hangs up."""
    libc = ctypes.CDLL(None)
    libc.prctl(DIE_WITH_PARENT, signal.SIGTERM)
    faulthandler.enable(file=2)  # in what is forked as well: a crash says what it was
    owner = socket.socket(fileno=int(arguments[0]))
    settings = TemplateSettings.from_json(arguments[1])
    _warm_up(settings, arguments)
    Forker(owner, libc, settings.idle_seconds).serve()


def _warm_up(settings: TemplateSettings, arguments: Sequence[str]) -> None:
    """Do what every fork would do again, and keep the garbage collector from undoing it."""
    alias.install()
    needed_names()  # of this process, not of plugins
    if bad := _preload(settings.modules, settings.avoided):
        _start_over(settings, bad, arguments)
    if "numpy" in sys.modules:
        _preload(["numpy.random"])
    run.store_of(settings.store_url)
    get_ready(PluginSet(key=settings.key, root=Path(settings.root)))
    capture.install()
    environment.settle()
    gc.collect()
    gc.freeze()


def _start_over(settings: TemplateSettings, bad: str, arguments: Sequence[str]) -> None:
    """Become a template that has not imported this."""
    again = replace(settings, avoided=(*settings.avoided, bad))
    os.set_inheritable(int(arguments[0]), True)
    command = [sys.executable, "-m", "dioptra_workers.stage.template"]
    os.execv(sys.executable, [*command, arguments[0], again.to_json()])  # noqa: S606 - ours


def _preload(modules: Iterable[str], avoided: Sequence[str] = ()) -> str:
    """Import modules; stops at one that leaves what a fork does not have, and says which."""
    for name in modules:
        if name in avoided:
            continue
        with contextlib.suppress(Exception), warnings.catch_warnings():
            # What cannot be imported is imported by the stage again, which says so.
            warnings.simplefilter("ignore")
            importlib.import_module(name)
        if threading.active_count() > 1 or has_gpu():
            return name
    return ""


def has_gpu() -> bool:
    """Whether this process has opened a GPU; a fork could not use it."""
    with os.scandir("/proc/self/fd") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if str(Path(entry.path).readlink()).startswith(("/dev/nvidia", "/dev/kfd")):
                    return True
    return False


if __name__ == "__main__":
    main(sys.argv[1:])
