"""What an import may do to the process is seen, and nothing else."""

import logging
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import structlog

from dioptra_ray.plugins import footprint as module
from dioptra_ray.plugins.footprint import footprint


def nothing(*_: Any) -> None:
    pass


CHANGES: dict[str, Callable[[pytest.MonkeyPatch], Any]] = {
    "variable": lambda patch: patch.setenv("XYZZY", "1"),
    "directory": lambda patch: patch.chdir("/"),
    "path": lambda patch: patch.setattr(sys, "path", [*sys.path, "/nowhere"]),
    "finder": lambda patch: patch.setattr(sys, "meta_path", [*sys.meta_path, nothing]),
    "stream": lambda patch: patch.setattr(sys, "stdout", SimpleNamespace(write=nothing)),
    "hook": lambda patch: patch.setattr(sys, "excepthook", nothing),
    "arguments": lambda patch: patch.setattr(sys, "argv", ["x"]),
    "filter": lambda _: warnings.simplefilter("ignore", ImportWarning),
    "signal": lambda _: signal.signal(signal.SIGUSR1, nothing),
    "level": lambda patch: patch.setattr(logging.getLogger("of.a.library"), "level", 7),
    "handler": lambda patch: patch.setattr(logging.root, "handlers", [logging.NullHandler()]),
    "disabling": lambda patch: patch.setattr(logging.root.manager, "disable", 30),
    "structlog": lambda _: structlog.configure(processors=[]),
    "random": lambda _: random.random(),
    "numpy": lambda _: np.random.random(),  # noqa: NPY002 - the one that plugins share
}


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    handler, state = signal.getsignal(signal.SIGUSR1), random.getstate()
    with warnings.catch_warnings():
        yield
    signal.signal(signal.SIGUSR1, handler)
    random.setstate(state)
    structlog.reset_defaults()


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_seen(what: str) -> None:
    before = footprint()
    with pytest.MonkeyPatch.context() as patch:
        CHANGES[what](patch)
        assert footprint() != before


def test_the_generator_of_torch_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    state = bytearray(b"1")
    read = SimpleNamespace(numpy=lambda: SimpleNamespace(tobytes=lambda: bytes(state)))
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(get_rng_state=lambda: read))
    before = footprint()
    assert footprint() == before
    state[:] = b"2"
    assert footprint() != before


def test_looking_changes_nothing() -> None:
    before = footprint()
    logging.getLogger("never.asked.for.before").name  # noqa: B018 - asking makes it
    np.random.default_rng(1).random()
    os.environ.get("XYZZY")
    assert footprint() == before


def test_a_directory_that_is_gone_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(module.os, "getcwd", gone)
    assert footprint()[1] == ""
