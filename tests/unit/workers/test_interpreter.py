"""Nothing that a stage does to the interpreter or to libraries reaches the next stage."""

import builtins
import decimal
import faulthandler
import gc
import importlib.util
import json
import locale
import multiprocessing
import pathlib
import resource
import signal
import socket
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from dioptra_ray import alias
from dioptra_workers.stage import interpreter
from dioptra_workers.stage.interpreter import intact


@pytest.fixture(autouse=True)
def _noted():
    alias.install()
    interpreter.prepare()
    interpreter.note()


def set_recursion():
    sys.setrecursionlimit(sys.getrecursionlimit() + 1000)


def lower_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))


def toggle_faulthandler():
    (faulthandler.disable if faulthandler.is_enabled() else faulthandler.enable)()


SETTINGS = {
    "gc": (gc.isenabled, gc.disable),
    "gc thresholds": (gc.get_threshold, lambda: gc.set_threshold(1)),
    "recursion limit": (sys.getrecursionlimit, set_recursion),
    "switch interval": (sys.getswitchinterval, lambda: sys.setswitchinterval(1)),
    "socket timeout": (socket.getdefaulttimeout, lambda: socket.setdefaulttimeout(0.001)),
    "blocked signals": (
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}),
    ),
    "limit": (lambda: resource.getrlimit(resource.RLIMIT_NOFILE), lower_limit),
    "fault handler": (faulthandler.is_enabled, toggle_faulthandler),
    "decimal": (
        lambda: decimal.getcontext().prec, lambda: setattr(decimal.getcontext(), "prec", 3)
    ),
    "locale": (
        lambda: locale.setlocale(locale.LC_ALL), lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8")
    ),
    "start method": (
        lambda: multiprocessing.get_start_method(allow_none=True),
        lambda: multiprocessing.set_start_method("spawn", force=True),
    ),
    "path": (lambda: list(sys.path), sys.path.clear),
    "finders": (lambda: list(sys.meta_path), sys.meta_path.clear),
    "path object": (lambda: id(sys.path), lambda: setattr(sys, "path", [])),
    "hooks": (lambda: list(sys.path_hooks), sys.path_hooks.clear),
    "display hook": (lambda: sys.displayhook, lambda: setattr(sys, "displayhook", print)),
    "builtin": (lambda: open, lambda: setattr(builtins, "open", None)),
    "several builtins": (lambda: (len, id), lambda: vars(builtins).update(len=None, id=None)),
    "function": (lambda: json.dumps, lambda: setattr(json, "dumps", None)),
    "removed function": (lambda: getattr(json, "loads", None), lambda: delattr(json, "loads")),
    "added function": (
        lambda: hasattr(np, "no_such_name"), lambda: setattr(np, "no_such_name", float)
    ),
    "library function": (lambda: torch.load, lambda: setattr(torch, "load", None)),
    "removed module": (
        lambda: sys.modules.get("torch.nn"), lambda: sys.modules.pop("torch.nn")
    ),
    "numpy errors": (np.geterr, lambda: np.seterr(all="raise")),
    "numpy printing": (np.get_printoptions, lambda: np.set_printoptions(precision=1)),
    "dtype": (torch.get_default_dtype, lambda: torch.set_default_dtype(torch.float64)),
    "gradients": (torch.is_grad_enabled, lambda: torch.set_grad_enabled(False)),
    "threads": (
        torch.get_num_threads, lambda: torch.set_num_threads(torch.get_num_threads() + 1)
    ),
    "device": (torch.get_default_device, lambda: torch.set_default_device("meta")),
    "determinism": (
        torch.are_deterministic_algorithms_enabled,
        lambda: torch.use_deterministic_algorithms(True),
    ),
    "cudnn": (
        lambda: torch.backends.cudnn.benchmark,
        lambda: setattr(torch.backends.cudnn, "benchmark", True),
    ),
    "torch printing": (
        lambda: torch._tensor_str.PRINT_OPTS.precision,
        lambda: torch.set_printoptions(precision=9),
    ),
    "pandas": (
        lambda: pd.get_option("display.max_rows"), lambda: pd.set_option("display.max_rows", 3)
    ),
    "matplotlib": (lambda: mpl.rcParams["font.size"], lambda: mpl.rc("font", size=99)),
    "figures": (plt.get_fignums, plt.figure),
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_what_a_stage_sets_is_set_back(name):
    look, change = SETTINGS[name]
    before = look()
    with intact():
        change()
        if name not in {"builtin", "several builtins", "locale"}:
            assert look() != before
    assert look() == before


def test_an_alarm_does_not_go_off_in_the_next_stage():
    of_pytest = signal.setitimer(signal.ITIMER_REAL, 0)
    with intact():
        signal.alarm(1000)
    assert signal.setitimer(signal.ITIMER_REAL, *of_pytest) == (0, 0)


LIBRARY = """
import json
original = json.dumps
json.dumps = lambda *args, **kwargs: original(*args, **kwargs)
def function():
    return 1
"""


def test_what_a_library_is_imported_as_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(json, "dumps", json.dumps)
    (tmp_path / "patching_library.py").write_text(LIBRARY)
    with intact():
        sys.path.insert(0, str(tmp_path))
        import patching_library  # noqa: PLC0415

        imported, patched = patching_library.function, json.dumps
        patching_library.function = None
        json.dumps = None
        json.loads, loads = None, json.loads
    interpreter.note()
    # The library stays, so what it has done to others stays; what the stage did does not.
    assert patching_library.function is imported
    assert json.dumps is patched
    assert json.dumps is not patching_library.original
    assert json.loads is loads
    del sys.modules["patching_library"]


def test_finders_that_ask_each_other_come_to_an_end():
    with intact():
        assert importlib.util.find_spec("dioptra.sdk") is not None
        assert importlib.util.find_spec("no_such_module_at_all") is None


def test_a_plugin_that_changes_settings_when_it_is_imported_is_imported_by_each_job(tmp_path):
    from dioptra_ray.plugins.activation import PluginSet, activate  # noqa: PLC0415

    root = Path(tmp_path, "set")
    (root / "greedy").mkdir(parents=True)
    (root / "greedy" / "tasks.py").write_text(
        "import torch\ntorch.set_default_dtype(torch.float64)\n"
    )
    plugins = PluginSet(key="greedy", root=root)
    for _ in range(8):
        with activate(plugins), intact():
            import greedy.tasks  # noqa: F401, PLC0415

            assert torch.get_default_dtype() is torch.float64
        assert torch.get_default_dtype() is torch.float32


PATCHES = {
    "method": (
        lambda: json.JSONEncoder.default, lambda: setattr(json.JSONEncoder, "default", print)
    ),
    "library method": (
        lambda: torch.nn.Module.__call__, lambda: setattr(torch.nn.Module, "__call__", print)
    ),
    "removed method": (
        lambda: "default" in vars(json.JSONEncoder), lambda: delattr(json.JSONEncoder, "default")
    ),
    "added method": (
        lambda: "__len__" in vars(json.JSONEncoder),
        lambda: setattr(json.JSONEncoder, "__len__", lambda _: 7),
    ),
    "class method": (
        lambda: vars(pathlib.Path)["cwd"],
        lambda: setattr(pathlib.Path, "cwd", classmethod(lambda _: None)),
    ),
    "property": (
        lambda: vars(pathlib.PurePath)["name"],
        lambda: setattr(pathlib.PurePath, "name", property(lambda _: "x")),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PATCHES)
def test_what_a_stage_does_to_classes_is_undone(name):
    look, change = PATCHES[name]
    before = look()
    with intact():
        change()
        assert look() != before
    interpreter.restore_classes()
    assert look() == before


def test_values_of_classes_and_what_a_library_does_to_its_own_stay():
    def replaced(_self, value):
        return value

    replaced.__module__ = "json.encoder"
    before = json.JSONEncoder.default
    with intact():
        json.JSONEncoder.item_separator, separator = "; ", json.JSONEncoder.item_separator
        json.JSONEncoder.default = replaced
    interpreter.restore_classes()
    assert (json.JSONEncoder.item_separator, json.JSONEncoder.default) == ("; ", replaced)
    json.JSONEncoder.item_separator, json.JSONEncoder.default = separator, before


def test_what_an_import_does_to_classes_is_kept(tmp_path, monkeypatch):
    (tmp_path / "patching_classes.py").write_text(
        "import json\njson.JSONEncoder.default = lambda self, value: None\n"
    )
    monkeypatch.setattr(json.JSONEncoder, "default", json.JSONEncoder.default)
    with intact():
        sys.path.insert(0, str(tmp_path))
        json.JSONEncoder.iterencode, own = print, json.JSONEncoder.iterencode
        import patching_classes  # noqa: F401, PLC0415

        patched = json.JSONEncoder.default
        json.JSONEncoder.default = print
    interpreter.restore_classes()
    assert json.JSONEncoder.default is patched
    assert json.JSONEncoder.iterencode is own
    del sys.modules["patching_classes"]
