"""What an import does is done for every job, whenever and however it is made."""

import importlib
import logging
import os
import pickle
import random
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from dioptra_ray.plugins.activation import PluginSet, activate
from tests.unit.plugins.jobs import JOBS, is_imported_each_time, is_kept, run_jobs

MakeSet = Callable[..., PluginSet]


@contextmanager
def preserved() -> Iterator[None]:
    """As whoever runs jobs does: put back what a job did to the process."""
    variables, filters = dict(os.environ), list(warnings.filters)
    logger = logging.getLogger("of.a.library")
    level, folder, state = logger.level, Path.cwd(), random.getstate()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(variables)
        warnings.filters[:] = filters
        logger.setLevel(level)
        os.chdir(folder)
        random.setstate(state)


# What an import does to the process, and what a step finds of it.
EFFECTS: dict[str, tuple[str, Any]] = {
    "a variable": (
        """
        import os
        os.environ['XYZZY'] = '1'
        def step(): return os.environ.get('XYZZY')
        """,
        "1",
    ),
    "a filter": (
        """
        import warnings
        warnings.filterwarnings('ignore', message='xyzzy')
        def step(): return any('xyzzy' in str(f[1]) for f in warnings.filters)
        """,
        True,
    ),
    "a level": (
        """
        import logging
        L = logging.getLogger('of.a.library')
        L.setLevel(7)
        def step(): return L.level
        """,
        7,
    ),
    "a seed": (
        """
        import random
        random.seed(5)
        def step(): return random.random()
        """,
        random.Random(5).random(),
    ),
    "a path": (
        """
        import sys
        sys.path.append('/nowhere')
        def step(): return '/nowhere' in sys.path
        """,
        True,
    ),
    "a directory": (
        """
        import os
        os.chdir('/')
        def step(): return os.getcwd()
        """,
        "/",
    ),
}


@pytest.mark.parametrize("what", EFFECTS)
def test_an_effect_on_the_process_is_had_by_every_job(make_set: MakeSet, what: str) -> None:
    source, expected = EFFECTS[what]
    plugin_set = make_set("s", {"plug/tasks.py": source})
    for job in range(JOBS):
        random.seed(job)
        with preserved(), activate(plugin_set):
            assert importlib.import_module("plug.tasks").step() == expected


@pytest.mark.parametrize(
    "source",
    [
        "import os\nX = os.environ['XYZZY']",
        "import os\nX = [int(os.environ['XYZZY'])]",
        "import os\nclass C:\n    x = os.environ['XYZZY']\ndef get(): return C.x",
        "import os\ndef get(x=os.environ['XYZZY']): return x",
        "import os\nfrom pathlib import Path\nX = {'out': Path(os.environ['XYZZY'], 'out')}",
        "import os\nfrom functools import partial\nX = partial(int, os.environ['XYZZY'])",
        "import os, re\nX = re.compile(os.environ['XYZZY'])",
        "import os\nX = frozenset({os.environ['XYZZY']})",
        "import os\ndef make(x):\n    return lambda: x\nget = make(os.environ['XYZZY'])",
    ],
)
def test_what_an_import_reads_is_of_its_own_job(
    make_set: MakeSet, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    step = "def step():\n    return repr(get() if 'get' in globals() else X)\n"
    plugin_set = make_set("s", {"plug/tasks.py": f"{source}\n{step}"})
    seen, modules = run_jobs(plugin_set, lambda job: monkeypatch.setenv("XYZZY", str(1000 + job)))
    assert is_imported_each_time(modules)
    for job, value in enumerate(seen):
        assert str(1000 + job) in value


def test_a_module_that_a_step_imports_is_kept_and_put_back(make_set: MakeSet) -> None:
    step = """
        def step():
            from plug import late
            late.n += 1
            late.L.append(1)
            return late.n, list(late.L)
        """
    files = {"plug/tasks.py": step, "plug/late.py": "n = 0\nL = []\n"}
    seen, modules = run_jobs(make_set("s", files))
    assert seen == [(1, [1])] * JOBS
    assert is_kept(modules)


def test_a_module_that_a_later_job_is_the_first_to_import_is_put_back(
    make_set: MakeSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = """
        import os
        def step():
            if not os.environ["LATE"]:
                return None
            from plug import late
            late.n += 1
            late.L.append(1)
            return late.n, list(late.L)
        """
    plugin_set = make_set("s", {"plug/tasks.py": step, "plug/late.py": "n = 0\nL = []\n"})
    monkeypatch.setenv("LATE", "")
    assert run_jobs(plugin_set)[0] == [None] * JOBS
    monkeypatch.setenv("LATE", "1")
    seen, modules = run_jobs(plugin_set)
    assert seen == [(1, [1])] * JOBS
    assert is_kept(modules)


def test_what_only_looks_at_a_module_does_not_stand_in_the_way_of_imports(
    make_set: MakeSet,
) -> None:
    step = """
        import copy, functools, warnings
        class C:
            pass
        @functools.cache
        def remembered():
            return 1
        def step():
            copy.copy(C())
            C.__annotations__
            remembered()
            with warnings.catch_warnings():
                warnings.simplefilter("once")
                warnings.warn("w", UserWarning, 1)
            from plug import late
        """
    plugin_set = make_set("s", {"plug/tasks.py": step, "plug/late.py": ""})
    with pytest.warns(UserWarning, match="w"):
        _, modules = run_jobs(plugin_set)
    assert is_kept(modules)


def test_an_import_that_reads_what_a_step_changed_is_not_kept(
    make_set: MakeSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "plug/state.py": "n = 0\n",
        "plug/late.py": "from .state import n\n",
        "plug/tasks.py": "import os\nfrom . import state\ndef step():\n"
        "    state.n = int(os.environ['N'])\n    from .late import n\n    return n\n",
    }
    numbers = (5, 5, 5, 0, 0, 5)
    seen, _ = run_jobs(make_set("s", files), lambda job: monkeypatch.setenv("N", str(numbers[job])))
    assert seen == list(numbers)


def test_an_import_that_registers_with_another_module_does_so_in_its_own_job_only(
    make_set: MakeSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "plug/registry.py": "R = {}\n",
        "plug/late.py": "from .registry import R\nR['late'] = 1\n",
        "plug/tasks.py": "import os\nfrom .registry import R\ndef step():\n"
        "    if os.environ['LATE']: from . import late\n    return list(R)\n",
    }
    late = ("1", "1", "1", "", "1", "")
    seen, _ = run_jobs(make_set("s", files), lambda job: monkeypatch.setenv("LATE", late[job]))
    assert seen == [["late"] if value else [] for value in late]


def test_subclasses_in_other_modules_do_not_stand_in_the_way(make_set: MakeSet) -> None:
    files = {
        "plug/shapes.py": "class Shape: pass\n",
        "plug/round.py": "from .shapes import Shape\nclass Circle(Shape): pass\n",
        "plug/tasks.py": "from .shapes import Shape\ndef step():\n"
        "    from . import round\n    return [c.__name__ for c in Shape.__subclasses__()]\n",
    }
    seen, modules = run_jobs(make_set("s", files))
    assert seen == [["Circle"]] * JOBS
    assert is_kept(modules)


@pytest.mark.parametrize("more", ["", "import threading\nL = threading.Lock()\n"])
def test_values_can_be_pickled_by_name_from_job_to_job(make_set: MakeSet, more: str) -> None:
    source = more + "class Point:\n    def __init__(self, x): self.x = x\n"
    plugin_set = make_set("s", {"plug/shapes.py": source})
    content = b""
    for _ in range(JOBS):
        with activate(plugin_set):
            if content:
                point = pickle.loads(content)
                assert point.x == 3
                assert type(point) is sys.modules["plug.shapes"].Point
            content = pickle.dumps(importlib.import_module("plug.shapes").Point(3))
            assert importlib.import_module("plug.shapes").__dict__.get("x") is None


def test_packages_and_their_parts_are_kept(make_set: MakeSet) -> None:
    files = {
        "plug/__init__.py": "from .tasks import step\nNAMES = []\n",
        "plug/tasks.py": """
            def step():
                from .deep.er import leaf
                import plug, plug.bare.more
                plug.NAMES.append(leaf.X)
                plug.deep.seen = 1
                plug.bare.new = 2
                return list(plug.NAMES), sorted(n for n in vars(plug) if n[0] != '_')
            """,
        "plug/deep/__init__.py": "",
        "plug/deep/er/leaf.py": "X = 1\n",
        "plug/bare/more.py": "",
    }
    plugin_set = make_set("s", files)
    seen, modules = run_jobs(plugin_set)
    assert seen == [([1], ["NAMES", "bare", "deep", "step", "tasks"])] * JOBS
    assert is_kept(modules)
    with activate(plugin_set):
        package = importlib.import_module("plug")
        assert not hasattr(package.deep, "seen")
        assert not hasattr(package.bare, "new")


def test_resources_are_found_with_and_without_an_init_file(make_set: MakeSet) -> None:
    plugin_set = make_set(
        "s",
        {"plug/data.txt": "1", "plug/sub/data.txt": "2", "full/__init__.py": "", "full/x.txt": "3"},
    )
    with activate(plugin_set):
        assert files("plug").joinpath("data.txt").read_text() == "1"
        assert files("plug.sub").joinpath("data.txt").read_text() == "2"
        assert files("full").joinpath("x.txt").read_text() == "3"


def test_a_warning_is_shown_once_by_every_job(make_set: MakeSet) -> None:
    source = (
        "import warnings\ndef step():\n    for _ in range(2): warnings.warn('w', UserWarning, 1)\n"
    )
    plugin_set = make_set("s", {"plug/tasks.py": source})
    for _ in range(JOBS):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            with activate(plugin_set):
                importlib.import_module("plug.tasks").step()
        assert len(caught) == 1


def nothing_is_loaded(_: int = 0) -> None:
    assert not [name for name in sys.modules if name.partition(".")[0] == "plug"]


@pytest.mark.parametrize("start", ["L, G", "import plug.late\nG, L"])
def test_what_a_job_leaves_behind_goes_while_its_set_is_active(
    make_set: MakeSet, start: str
) -> None:
    source = """
        = [0], [0]
        class C:
            def __del__(self):
                from plug import tasks
                import plug.late
                tasks.G.append(1)
        def step():
            L.append(C())
            return len(G)
        """
    files = {"plug/tasks.py": start + dedent(source).lstrip(), "plug/late.py": ""}
    plugin_set = make_set("s", files)
    for idle in (3, 0):
        seen, _ = run_jobs(plugin_set, nothing_is_loaded, idle=idle)
        assert seen == [1] * JOBS
        nothing_is_loaded()


def test_what_a_stateful_module_holds_is_let_go_at_once(make_set: MakeSet) -> None:
    source = "class Model: pass\nMODEL = Model()\ndef step():\n    return MODEL\n"
    plugin_set = make_set("s", {"plug/tasks.py": source})
    for _ in range(JOBS):
        with activate(plugin_set):
            model = weakref.ref(importlib.import_module("plug.tasks").step())
        assert model() is None


def test_an_activation_inside_of_a_job_belongs_to_it(make_set: MakeSet) -> None:
    plugin_set = make_set("s", {"plug/tasks.py": "n = 0\n"})
    for _ in range(JOBS):
        with activate(plugin_set):
            importlib.import_module("plug.tasks").n += 1
            with activate(plugin_set):
                assert importlib.import_module("plug.tasks").n == 1
            assert importlib.import_module("plug.tasks").n == 1


def test_a_new_job_sees_nothing_of_one_that_went_on(make_set: MakeSet) -> None:
    plugin_set = make_set("s", {"plug/tasks.py": "n = 0\n"})
    for _ in range(JOBS):
        with activate(plugin_set, fresh=False):
            importlib.import_module("plug.tasks").n += 1
        with activate(plugin_set, fresh=False):
            assert importlib.import_module("plug.tasks").n == 1
        with activate(plugin_set):
            assert importlib.import_module("plug.tasks").n == 0


def test_tracebacks_show_the_line_of_a_module_that_cannot_be_imported(make_set: MakeSet) -> None:
    plugin_set = make_set("s", {"plug/tasks.py": "x = 1\n1 / 0\n"})
    for _ in range(JOBS):
        with activate(plugin_set), pytest.raises(ZeroDivisionError) as caught:
            importlib.import_module("plug.tasks")
        assert caught.traceback[-1].lineno == 1
