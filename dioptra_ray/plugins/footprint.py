"""What importing a module does to its process, besides making the module.

A module that seeds a generator or sets a variable when it is imported does so for each job
in Dioptra. Whoever runs jobs undoes it after each; so such a module must be imported again.
"""

import logging
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

_SIGNALS = (signal.SIGALRM, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)

further: list[Callable[[], Any]] = []
"""What else whoever runs jobs undoes after each: functions whose results are compared."""


def footprint() -> tuple[Any, ...]:
    """The process's state; equal to an earlier one unless something was changed since."""
    return (
        dict(os.environ),
        _working_directory(),
        tuple(sys.path),
        tuple(map(id, (*sys.meta_path, *sys.path_hooks))),
        (id(sys.stdin), id(sys.stdout), id(sys.stderr), id(sys.excepthook)),
        tuple(sys.argv),
        tuple(map(id, warnings.filters)),
        tuple(map(signal.getsignal, _SIGNALS)),
        tuple(_loggers()),
        _structlog(),
        random.getstate(),
        _numpy(),
        _torch(),
        *(look() for look in further),
    )


def _working_directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - a text, for comparing
    except FileNotFoundError:
        return ""


def _loggers() -> Iterator[tuple[Any, ...]]:
    """Those that were set up in some way; merely asking for one makes it, and changes nothing."""
    yield (logging.root.manager.disable,)
    for logger in (logging.root, *logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            state = (logger.level, *map(id, logger.handlers), *map(id, logger.filters))
            if state != (0,) or not logger.propagate or logger.disabled:
                yield logger.name, state, logger.propagate, logger.disabled


def _structlog() -> Any:
    structlog = sys.modules.get("structlog")
    configuration = getattr(structlog, "get_config", None)
    return {key: id(value) for key, value in configuration().items()} if configuration else None


def _numpy() -> Any:
    generators = getattr(sys.modules.get("numpy"), "random", None)
    if generators is None:
        return None
    name, keys, *rest = generators.get_state()
    return name, keys.tobytes(), *rest


def _torch() -> Any:
    state = getattr(sys.modules.get("torch"), "get_rng_state", None)
    return state().numpy().tobytes() if state else None
