"""Activating a plugin set: what it brings in, and that nothing of it stays."""

import gc
import importlib
import json
import pickle
import random
import signal
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from dioptra_ray import alias, pyplugs
from dioptra_ray.errors import PreconditionError
from dioptra_ray.plugins import activation
from dioptra_ray.plugins.activation import PluginSet, activate, active_root, forget
from dioptra_ray.plugins.residence import Residence

MakeSet = Callable[..., PluginSet]


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    alias.install()  # as the first activation does, for good
    before = dict(sys.modules), list(sys.path), list(sys.meta_path)
    yield
    assert list(sys.path) == before[1]
    assert [f for f in sys.meta_path if "_AliasFinder" not in repr(f)] == [
        f for f in before[2] if "_AliasFinder" not in repr(f)
    ]
    assert active_root() is None


def loaded(plugin: str) -> list[str]:
    return [name for name in sys.modules if name == plugin or name.startswith(f"{plugin}.")]


def registered(value: str) -> str:
    return f"from dioptra import pyplugs\n\n@pyplugs.register\ndef f():\n    return {value}\n"


def test_two_versions_of_a_plugin_never_meet(make_set: MakeSet) -> None:
    old = make_set("old", {"plug/tasks.py": registered("'old'")})
    new = make_set("new", {"plug/tasks.py": registered("'new'")})
    for _ in range(3):
        with activate(old):
            assert pyplugs.call("plug", "tasks", "f") == "old"
        assert not loaded("plug")
        with activate(new):
            assert pyplugs.call("plug", "tasks", "f") == "new"
    assert not pyplugs.exists("plug", "tasks")


def test_a_job_may_go_on_with_the_modules_of_its_last_activation(make_set: MakeSet) -> None:
    plugin_set = make_set("s", {"plug/tasks.py": "count = 0\n" + registered("0")})
    with activate(plugin_set, fresh=False):
        first = importlib.import_module("plug.tasks")
        first.count += 1
    with activate(plugin_set, fresh=False):
        again = importlib.import_module("plug.tasks")
        assert again is first
        assert again.count == 1


def test_a_forgotten_set_starts_afresh(make_set: MakeSet) -> None:
    plugin_set = make_set("s", {"plug/tasks.py": registered("1")})
    with activate(plugin_set):
        first = importlib.import_module("plug.tasks")
        with pytest.raises(PreconditionError, match="active"):
            forget(plugin_set.key)
    forget(plugin_set.key)
    with activate(plugin_set):
        assert importlib.import_module("plug.tasks") is not first


def test_other_contents_in_the_same_directory_are_seen(make_set: MakeSet) -> None:
    one = make_set("s", {"plug/tasks.py": registered("1")})
    with activate(one):
        assert pyplugs.call("plug", "tasks", "f") == 1
    (one.root / "plug" / "more.py").write_text(registered("2"))
    two = PluginSet(key=one.key + "'", root=one.root)
    with activate(two):
        assert pyplugs.call("plug", "more", "f") == 2
    forget(two.key)


def test_absolute_relative_and_cross_plugin_imports_without_init_files(make_set: MakeSet) -> None:
    plugin_set = make_set(
        "s",
        {
            "plug/data.py": "X = 1\n",
            "plug/sub/deep.py": "from ..data import X\nfrom ..tasks import Y\n",
            "plug/tasks.py": "Y = 5\nfrom .data import X as a\nfrom plug.data import X as b\n"
            "from other.values import X as c\nfrom . import data\n"
            "from .sub.deep import X as d, Y as e\n" + registered("(a, b, c, d, e, data.X)"),
            "other/values.py": "X = 3\n",
        },
    )
    with activate(plugin_set):
        assert pyplugs.call("plug", "tasks", "f") == (1, 1, 3, 1, 5, 1)
    assert not {"plug", "plug.data", "plug.sub", "other"} & set(sys.modules)


def test_imports_inside_functions_belong_to_the_set_too(make_set: MakeSet) -> None:
    lazy = "def _late():\n    from plug import late\n    return late.X\n"
    one = make_set("one", {"plug/tasks.py": lazy + registered("_late()"), "plug/late.py": "X = 1"})
    two = make_set("two", {"plug/tasks.py": lazy + registered("_late()"), "plug/late.py": "X = 2"})
    for _ in range(2):
        for plugin_set, value in ((one, 1), (two, 2)):
            with activate(plugin_set):
                assert pyplugs.call("plug", "tasks", "f") == value


def test_a_class_can_be_pickled_by_name_while_its_set_is_active(make_set: MakeSet) -> None:
    source = "class Point:\n    def __init__(self, x): self.x = x\n"
    plugin_set = make_set("s", {"plug/shapes.py": source})
    with activate(plugin_set):
        content = pickle.dumps(importlib.import_module("plug.shapes").Point(3))
    with pytest.raises(ModuleNotFoundError):
        pickle.loads(content)
    forget(plugin_set.key)
    with activate(plugin_set):  # as in a process that has not seen the set
        assert pickle.loads(content).x == 3


def test_a_module_of_the_caller_with_the_name_of_a_plugin_comes_back(
    make_set: MakeSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "plug").mkdir()
    (tmp_path / "plug" / "__init__.py").write_text("mine = True\n")
    (tmp_path / "plug" / "tasks.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    mine = importlib.import_module("plug.tasks")
    plugin_set = make_set("s", {"plug/tasks.py": registered("1")})
    with activate(plugin_set):
        assert pyplugs.call("plug", "tasks", "f") == 1
        assert not hasattr(sys.modules["plug"], "mine")
    assert sys.modules["plug.tasks"] is mine
    del sys.modules["plug"], sys.modules["plug.tasks"]


@pytest.mark.parametrize("name", ["json", "random", "statistics", "yaml", "dioptra_ray"])
def test_a_plugin_named_like_a_needed_module_runs_and_breaks_nobody(
    make_set: MakeSet, name: str
) -> None:
    real = importlib.import_module(name)
    was_package = hasattr(real, "__path__")
    source = (
        f"import {name}\nfrom .values import X\nfrom {name}.values import X as again\n"
        "class Point: pass\n" + registered(f"(X, again, {name}.__name__)")
    )
    files = {f"{name}/tasks.py": source, f"{name}/values.py": "X = 7\n"}
    plugin_set = make_set(name, files)
    for _ in range(2):
        with activate(plugin_set):
            assert pyplugs.call(name, "tasks", "f") == (7, 7, name)
            module = importlib.import_module(f"{name}.tasks")
            assert type(pickle.loads(pickle.dumps(module.Point()))) is module.Point
            assert sys.modules[name] is real
            assert json.loads("[1]") == [1]
            assert random.random() < 1
            assert statistics.mean([1, 3]) == 2
        assert f"{name}.tasks" not in sys.modules
        assert not hasattr(real, "values")
        assert hasattr(real, "__path__") == was_package


def test_a_needed_module_hides_the_init_of_such_a_plugin_and_says_so(
    make_set: MakeSet, caplog: pytest.LogCaptureFixture
) -> None:
    with activate(make_set("s", {"csv/__init__.py": "X = 1\n"})):
        assert not hasattr(importlib.import_module("csv"), "X")
    assert "'csv'" in caplog.text
    assert "rename" in caplog.text


def test_plugin_code_that_breaks_at_import_leaves_nothing(make_set: MakeSet) -> None:
    plugin_set = make_set("s", {"plug/data.py": "", "plug/tasks.py": "import plug.data\n1 / 0\n"})
    with activate(plugin_set), pytest.raises(ZeroDivisionError):
        importlib.import_module("plug.tasks")
    assert not loaded("plug")


def test_modules_that_plugin_code_registers_by_hand_are_the_sets(make_set: MakeSet) -> None:
    source = (
        "import sys, types\n\ndef add():\n    made = types.ModuleType('by_hand')\n"
        "    made.__file__ = __file__\n    sys.modules['by_hand'] = made\n"
    )
    plugin_set = make_set("s", {"plug/tasks.py": source})
    with activate(plugin_set, fresh=False):
        importlib.import_module("plug.tasks")
    with activate(plugin_set, fresh=False):  # warm: nothing is imported any more
        importlib.import_module("plug.tasks").add()
    assert "by_hand" not in sys.modules
    with activate(plugin_set, fresh=False):
        assert "by_hand" in sys.modules
    with activate(plugin_set):
        assert "by_hand" not in sys.modules


def test_changes_to_sys_path_do_not_outlive_the_activation(make_set: MakeSet) -> None:
    before = list(sys.path)
    with activate(make_set("s", {"plug/tasks.py": ""})):
        sys.path.append("/nowhere")
    assert sys.path == before


def test_a_failure_inside_deactivates(make_set: MakeSet) -> None:
    plugin_set = make_set("s", {"plug/tasks.py": registered("1")})
    with pytest.raises(pyplugs.UnknownPluginFunctionError), activate(plugin_set):
        pyplugs.call("plug", "tasks", "g")
    assert not pyplugs.exists("plug", "tasks")


def test_the_same_set_nests_and_another_does_not(make_set: MakeSet) -> None:
    one = make_set("one", {"plug/tasks.py": registered("1")})
    two = make_set("two", {"plug/tasks.py": registered("2")})
    with activate(one):
        with activate(one):
            pass
        assert pyplugs.call("plug", "tasks", "f") == 1
        with pytest.raises(PreconditionError, match="one plugin set at a time"), activate(two):
            pass
        assert active_root() == one.root


def test_another_set_is_refused_in_another_thread(make_set: MakeSet) -> None:
    one = make_set("one", {"plug/tasks.py": ""})
    two = make_set("two", {"plug/tasks.py": ""})
    seen: list[Any] = []

    def enter() -> None:
        try:
            with activate(two):
                seen.append("entered")
        except PreconditionError as error:
            seen.append(error)

    with activate(one):
        thread = Thread(target=enter)
        thread.start()
        thread.join()
    assert isinstance(seen[0], PreconditionError)


class StoppedError(BaseException):
    pass


@pytest.mark.parametrize("moment", ["__init__", "collect", "renew"])
def test_an_interruption_never_leaves_a_set_half_active(
    make_set: MakeSet, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def stop(*_: object) -> None:
        raise StoppedError

    original = getattr(Residence, moment)

    def interrupted(*arguments: Any) -> Any:
        signal.raise_signal(signal.SIGUSR1)
        return original(*arguments)

    plugin_set = make_set("s", {"plug/tasks.py": registered("1")})
    previous = signal.signal(signal.SIGUSR1, stop)
    monkeypatch.setattr(Residence, moment, interrupted)
    try:
        with pytest.raises(StoppedError), activate(plugin_set):
            pyplugs.call("plug", "tasks", "f")
    finally:
        signal.signal(signal.SIGUSR1, previous)
    monkeypatch.undo()
    assert not loaded("plug")
    with activate(plugin_set):
        assert pyplugs.call("plug", "tasks", "f") == 1


def test_only_so_many_sets_are_kept(make_set: MakeSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation, "_residences", {})
    monkeypatch.setattr(activation, "_KEPT", 2)
    sets = [make_set(name, {"plug/tasks.py": registered("1")}) for name in "abc"]
    modules = {}
    for plugin_set in (sets[0], sets[1], sets[0], sets[2]):
        with activate(plugin_set, fresh=False):
            modules[plugin_set.key] = importlib.import_module("plug.tasks")
    for plugin_set, is_kept in zip(sets, (True, False, True), strict=True):
        with activate(plugin_set, fresh=False):
            again = importlib.import_module("plug.tasks")
        assert (again is modules[plugin_set.key]) == is_kept
        monkeypatch.setattr(activation, "_KEPT", 9)


def test_registrations_outside_of_sets_are_not_seen_inside(make_set: MakeSet) -> None:
    def outside() -> int:
        return 1

    outside.__module__ = "made_up.outside"
    pyplugs.register(outside)
    assert pyplugs.call("made_up", "outside", "outside") == 1
    with activate(make_set("s", {"plug/tasks.py": ""})):
        assert not pyplugs.exists("made_up", "outside")
    assert pyplugs.exists("made_up", "outside")


def test_many_sets_one_after_another_leave_no_more_than_a_few(make_set: MakeSet) -> None:
    def use(numbers: range) -> tuple[int, int, int]:
        for number in numbers:
            files = {"p/tasks.py": f"NUMBER = {number}\n", "p/more.py": "from . import tasks\n"}
            with activate(make_set(f"set{number}", files)):
                importlib.import_module("p.more")
        gc.collect()
        return len(gc.get_objects()), len(sys.path_importer_cache), len(sys.modules)

    first = use(range(100))
    last = use(range(100, 500))
    # The sets are remembered by `make_set`.
    assert last[0] - first[0] < 400 * 4
    assert last[1:] == first[1:]
