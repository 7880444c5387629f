"""Gives every stage what a fresh process would have.

Worker processes are reused. What a step may have changed for its process is noted before
the stage and put back after it; random state is drawn anew, so that a seed set by one job
never reaches the next.
"""

import _signal  # type: ignore[import-not-found] # signal.getsignal makes enumeration members
import logging
import os
import random
import signal
import struct
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dioptra_workers.stage import interpreter

HIDDEN_VARIABLES = (
    "DIOPTRA_S3_ACCESS_KEY",
    "DIOPTRA_S3_SECRET_KEY",
    "DIOPTRA_DATABASE_URL",
    "DIOPTRA_TOKEN_FILE",
    "DIOPTRA_CERT_FILE",
    "DIOPTRA_KEY_FILE",
    "RAY_AUTH_TOKEN",
)
"""Not for plugins: they reach artifacts through their job only."""


_MASK = 0o022

# Level, handlers, filters, propagate, disabled: there are many loggers, and little time.
_LoggerState = tuple[int, list[logging.Handler], list[Any], bool, bool]
_NEW_LOGGER: _LoggerState = (logging.NOTSET, [], [], True, False)


def _loggers() -> list[logging.Logger]:
    found = list(logging.root.manager.loggerDict.values())
    return [logging.root, *(item for item in found if isinstance(item, logging.Logger))]


def _state(logger: logging.Logger) -> _LoggerState:
    return (
        logger.level,
        logger.handlers[:],
        logger.filters[:],
        logger.propagate,
        logger.disabled,
    )


def _restore_logger(logger: logging.Logger, state: _LoggerState) -> None:
    if _state(logger) == state:
        return
    level, handlers, filters, propagate, disabled = state
    if logger.level != level:
        logger.setLevel(level)
    logger.handlers[:] = handlers
    logger.filters[:] = filters
    logger.propagate = propagate
    logger.disabled = disabled


@contextmanager
def pristine() -> Iterator[None]:
    """Run the body as in a fresh process, and undo what it does to this one."""
    interpreter.prepare()
    directory = _current_directory()
    variables = os.environb.copy()
    arguments = list(sys.argv)
    mask = os.umask(_MASK)
    loggers = {logger: _state(logger) for logger in _loggers()}
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
        # It is found anew from the variables by whoever asks for it first.
        tempfile.tempdir = None
        os.umask(mask)
        if logging.root.manager.disable != disabled:
            logging.disable(disabled)
        if {logger: _state(logger) for logger in _loggers()} != loggers:
            for logger in _loggers():
                _restore_logger(logger, loggers.get(logger, _NEW_LOGGER))
        _restore_signals(handlers)
        sys.stdin, sys.stdout, sys.stderr = streams
        sys.excepthook, threading.excepthook = hooks
        if warnings.filters != filters:
            warnings.filters[:] = filters  # type: ignore[index]
            warnings._filters_mutated()  # type: ignore[attr-defined]  # noqa: SLF001
        interpreter.note()


def settle() -> None:
    """Be what a stage finds at first; for a process of its own, where nothing is undone."""
    os.umask(_MASK)
    sys.argv[1:] = []
    reseed()


def take_on(variables: Mapping[str, str]) -> None:
    """Have these environment variables, but those that are not for plugins, and no other."""
    os.environ.clear()
    os.environ.update({k: v for k, v in variables.items() if k not in HIDDEN_VARIABLES})
    time.tzset()


def reseed() -> None:
    """Draw the random state of all loaded generators from the operating system."""
    random.seed()
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(list(struct.unpack("4I", os.urandom(16))))
    if (torch := sys.modules.get("torch")) is not None and hasattr(torch, "default_generator"):
        _reseed_torch(torch)


# What we have queued for the day when CUDA is initialised.
_queued: list[Any] = []


def _reseed_torch(torch: Any) -> None:
    # torch.seed() would do, but takes milliseconds to note where it was called from.
    torch.default_generator.seed()
    if torch.cuda.is_initialized():
        torch.cuda.seed_all()
        return
    tracker = getattr(torch.cuda, "_lazy_seed_tracker", None)
    if tracker is not None and tracker.get_calls() != _queued:
        # Somebody has queued a seed, which must not wait for the next job.
        torch.cuda.manual_seed_all(torch.default_generator.initial_seed())
        _queued[:] = tracker.get_calls()


def _current_directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path("/")


def _restore_variables(variables: dict[bytes, bytes]) -> None:
    zone = os.environb.get(b"TZ")
    for name in os.environb.keys() - variables.keys():
        del os.environb[name]
    for name, value in variables.items():
        if os.environb.get(name) != value:
            os.environb[name] = value
    if zone != variables.get(b"TZ"):
        time.tzset()


def _signal_handlers() -> dict[int, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: _signal.getsignal(number) for number in _SIGNALS}


def _restore_signals(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        # None: set by C code, which only C code can put back.
        if handler is not None and _signal.getsignal(number) != handler:
            signal.signal(number, handler)


_SIGNALS = tuple(
    int(number)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    if isinstance(number, signal.Signals)
)
