"""Gives every stage what a fresh process would have.

Worker processes are reused. What a step may have changed for its process is noted before
the stage and put back after it; random state is drawn anew, so that a seed set by one job
never reaches the next.
"""

import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HIDDEN_VARIABLES = ("DIOPTRA_S3_ACCESS_KEY", "DIOPTRA_S3_SECRET_KEY", "RAY_AUTH_TOKEN")
"""Not for plugins: they reach artifacts through their job only."""


@dataclass(frozen=True, slots=True)
class _LoggerState:
    level: int
    handlers: tuple[logging.Handler, ...]
    filters: tuple[Any, ...]
    propagate: bool
    disabled: bool

    @classmethod
    def of(cls, logger: logging.Logger) -> "_LoggerState":
        return cls(
            logger.level,
            tuple(logger.handlers),
            tuple(logger.filters),
            logger.propagate,
            logger.disabled,
        )

    def restore(self, logger: logging.Logger) -> None:
        if logger.level != self.level:
            logger.setLevel(self.level)
        logger.handlers[:] = self.handlers
        logger.filters[:] = self.filters
        logger.propagate = self.propagate
        logger.disabled = self.disabled


_NEW_LOGGER = _LoggerState(logging.NOTSET, (), (), propagate=True, disabled=False)


def _loggers() -> Iterator[logging.Logger]:
    yield logging.root
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            yield logger


@contextmanager
def pristine() -> Iterator[None]:
    """Run the body as in a fresh process, and undo what it does to this one."""
    directory = _current_directory()
    variables = dict(os.environ)
    arguments = list(sys.argv)
    mask = os.umask(0o022)
    loggers = {logger.name: _LoggerState.of(logger) for logger in _loggers()}
    disabled = logging.root.manager.disable
    handlers = _signal_handlers()
    streams = sys.stdin, sys.stdout, sys.stderr
    hooks = sys.excepthook, threading.excepthook
    filters = list(warnings.filters)
    for name in HIDDEN_VARIABLES:
        os.environ.pop(name, None)
    reseed()
    try:
        yield
    finally:
        os.chdir(directory)
        _restore_variables(variables)
        sys.argv[:] = arguments
        os.umask(mask)
        if logging.root.manager.disable != disabled:
            logging.disable(disabled)
        for logger in _loggers():
            loggers.get(logger.name, _NEW_LOGGER).restore(logger)
        _restore_signals(handlers)
        sys.stdin, sys.stdout, sys.stderr = streams
        sys.excepthook, threading.excepthook = hooks
        if warnings.filters != filters:
            warnings.filters[:] = filters  # type: ignore[index]
            warnings._filters_mutated()  # type: ignore[attr-defined]  # noqa: SLF001


def reseed() -> None:
    """Draw the random state of all loaded generators from the operating system."""
    random.seed()
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()
    if (torch := sys.modules.get("torch")) is not None and hasattr(torch, "seed"):
        torch.seed()


def _current_directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path("/")


def _restore_variables(variables: dict[str, str]) -> None:
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    for name, value in variables.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _signal_handlers() -> dict[signal.Signals, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in _SIGNALS}


def _restore_signals(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        # None: set by C code, which only C code can put back.
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


_SIGNALS = tuple(
    number
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    if isinstance(number, signal.Signals)
)
