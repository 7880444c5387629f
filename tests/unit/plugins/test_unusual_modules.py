"""However a module comes about, every job has it as new."""

import importlib
import signal
import sys
from collections.abc import Callable

import pytest

from dioptra_ray.plugins.activation import PluginSet, activate
from dioptra_ray.plugins.warmth import Warmth
from tests.unit.plugins.jobs import JOBS, is_kept, run_jobs

MakeSet = Callable[..., PluginSet]


# Modules that come about in ways of their own.
UNUSUAL = {
    "by hand": """
    import sys, types
    m = types.ModuleType('by_hand')
    m.__file__ = __file__
    m.seen = []
    sys.modules['by_hand'] = m
    def step():
        m.seen.append(1)
        return len(m.seen)
    """,
    "in its own place": """
    import sys
    class M:
        n = 0
        def step(self):
            self.n += 1
            return self.n
    sys.modules[__name__] = M()
    """,
    "of its own class": """
    import sys, types
    class M(types.ModuleType): pass
    sys.modules[__name__].__class__ = M
    n = []
    def step():
        n.append(1)
        return len(n)
    """,
    "by its folder": """
    import sys, os
    sys.path.append(os.path.dirname(__file__))
    import beside
    def step():
        beside.n.append(1)
        return len(beside.n)
    """,
    "again": """
    import importlib, sys
    n = []
    def step():
        importlib.reload(sys.modules[__name__])
        n.append(1)
        return len(n)
    """,
    "taken out": """
    import sys
    from . import beside
    def step():
        beside.n.append(1)
        sys.modules.pop('plug.beside', None)
        return len(beside.n)
    """,
}


@pytest.mark.parametrize("how", UNUSUAL)
def test_a_module_made_in_an_unusual_way_is_new_too(make_set: MakeSet, how: str) -> None:
    files = {"plug/tasks.py": UNUSUAL[how], "plug/beside.py": "n = []\n"}
    seen, _ = run_jobs(make_set("s", files))
    assert seen == [1] * JOBS


def test_a_plugin_named_like_a_needed_module_is_put_back_as_well(make_set: MakeSet) -> None:
    source = "n = 0\ndef step():\n    global n\n    n += 1\n    return n\n"
    plugin_set = make_set("s", {"json/tasks.py": source})
    modules = []
    for _ in range(JOBS):
        with activate(plugin_set):
            module = importlib.import_module("json.tasks")
            assert module.step() == 1
        assert "json.tasks" not in sys.modules
        modules.append(module)
    assert is_kept(modules)


def test_an_import_that_fails_is_tried_by_every_job(make_set: MakeSet) -> None:
    files = {
        "plug/broken.py": "from . import part\npart.n += 1\n1 / 0\n",
        "plug/part.py": "n = 0\n",
        "plug/tasks.py": "def step():\n    try:\n        from . import broken\n"
        "    except ZeroDivisionError:\n        from . import part\n        return part.n\n",
    }
    seen, _ = run_jobs(make_set("s", files))
    assert seen == [1] * JOBS


def test_an_interrupted_import_is_made_again(make_set: MakeSet) -> None:
    class StoppedError(BaseException):
        pass

    def stop(*_: object) -> None:
        raise StoppedError

    source = """
        import os, signal
        if os.environ.get("STOP"):
            signal.raise_signal(signal.SIGUSR1)
        n = [1]
        """
    plugin_set = make_set("s", {"plug/tasks.py": source})
    previous = signal.signal(signal.SIGUSR1, stop)
    try:
        for job in range(JOBS):
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("STOP", "1" if job % 2 else "")
                if job % 2:
                    with pytest.raises(StoppedError), activate(plugin_set):
                        importlib.reload(importlib.import_module("plug.tasks"))
                else:
                    with activate(plugin_set):
                        module = importlib.import_module("plug.tasks")
                        assert module.n == [1]
                        module.n.append(2)
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_nothing_is_kept_while_an_import_has_not_ended() -> None:
    warmth = Warmth(lambda _: True, dict)
    assert warmth.keeps({})
    warmth.begin()
    assert not warmth.keeps({})
    warmth.forget({})
    assert warmth.keeps({})
