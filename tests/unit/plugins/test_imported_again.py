"""Modules that hold what cannot be put back are imported again for each job."""

import gc
import random
from collections.abc import Callable
from typing import Any

import pytest

from dioptra_ray.plugins.activation import PluginSet
from tests.unit.plugins.jobs import JOBS, is_imported_each_time, run_jobs

MakeSet = Callable[..., PluginSet]


# What cannot be put back, so that the modules are imported again.
IMPORTED: dict[str, tuple[str, Any]] = {
    "an instance": (
        """
        class C:
            n = 0
        c = C()
        def step():
            c.n += 1
            return c.n
        """,
        1,
    ),
    "an instance in a dict": (
        """
        class C:
            n = 0
        D = {'c': C()}
        def step():
            D['c'].n += 1
            return D['c'].n
        """,
        1,
    ),
    "an instance in a class": (
        """
        class C:
            n = 0
        class D:
            c = C()
        def step():
            D.c.n += 1
            return D.c.n
        """,
        1,
    ),
    "an instance as a default": (
        """
        class C: n = 0
        def step(c=C()):
            c.n += 1
            return c.n
        """,
        1,
    ),
    "an iterator": (
        """
        I = iter([1, 2, 3])
        def step(): return next(I)
        """,
        1,
    ),
    "a count": (
        """
        from itertools import count
        C = count()
        step = C.__next__
        """,
        0,
    ),
    "a generator": (
        """
        def g():
            yield from (7, 8, 9)
        G = g()
        def step(): return next(G)
        """,
        7,
    ),
    "a list in a closure": (
        """
        def make():
            seen = [0]
            def add():
                seen.append(1)
                return list(seen)
            return add
        step = make()
        """,
        [0, 1],
    ),
    "a registry of functions": (
        """
        from functools import singledispatch
        @singledispatch
        def f(x): return 'object'
        def step():
            x = f(1)
            f.register(int, lambda x: 'int')
            return x
        """,
        "object",
    ),
    "an open file": (
        """
        F = open(__file__)
        def step(): return F.read(3)
        """,
        "F =",
    ),
    "a thread local": (
        """
        import threading
        T = threading.local()
        def step():
            x = hasattr(T, 'x')
            T.x = 1
            return x
        """,
        False,
    ),
    "a context variable": (
        """
        from contextvars import ContextVar
        V = ContextVar('V', default=0)
        def step():
            V.set(V.get() + 1)
            return V.get()
        """,
        1,
    ),
    "a mutable dataclass": (
        """
        from dataclasses import dataclass
        @dataclass
        class C:
            n: int = 0
        c = C()
        def step():
            c.n += 1
            return c.n
        """,
        1,
    ),
    "a descriptor of the plugin's own": (
        """
        class D:
            n = 0
            def __get__(self, *_):
                self.n += 1
                return self.n
        class C:
            d = D()
        def step(): return C.d
        """,
        1,
    ),
    "a weak dictionary": (
        """
        import weakref
        W = weakref.WeakValueDictionary()
        def step():
            x = len(W)
            W['f'] = step
            return x
        """,
        0,
    ),
    "a module that nobody can import": (
        """
        from types import ModuleType
        M = ModuleType("m")
        def step():
            x = hasattr(M, "x")
            M.x = 1
            return x
        """,
        False,
    ),
    "a lock": (
        """
        from threading import Lock
        L = Lock()
        def step(): return L.acquire(blocking=False)
        """,
        True,
    ),
    "a class made at run time": (
        """
        class A: pass
        kept = []
        def step():
            class B(A): pass
            return len(A.__subclasses__())
        """,
        1,
    ),
    "a generator of numbers": (
        """
        import random
        R = random.Random(1)
        def step(): return R.random()
        """,
        random.Random(1).random(),
    ),
    "too much to copy": (
        """
        L = [[] for _ in range(20_000)]
        def step():
            L.append(1)
            return len(L)
        """,
        20_001,
    ),
    "something that cannot be looked into": (
        """
        class M(type):
            def __getattribute__(cls, name): raise RuntimeError(name)
        class C(metaclass=M): pass
        n = []
        def step():
            n.append(1)
            return len(n)
        """,
        1,
    ),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("what", IMPORTED)
def test_makes_the_set_be_imported_again(make_set: MakeSet, what: str) -> None:
    source, first = IMPORTED[what]
    gc.disable()  # what goes early might take state with it that a job could see
    try:
        seen, modules = run_jobs(make_set("s", {"plug/tasks.py": source}))
    finally:
        gc.enable()
    assert seen == [first] * JOBS
    assert is_imported_each_time(modules)


def test_a_class_that_a_later_job_makes_is_not_listed_by_its_base(
    make_set: MakeSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
        import os
        class A: pass
        def step():
            x = len(A.__subclasses__())
            if os.environ["MAKE"]:
                class B(A): pass
            return x
        """
    make = ("", "", "", "1", "", "")
    gc.disable()
    try:
        seen, _ = run_jobs(
            make_set("s", {"plug/tasks.py": source}),
            lambda job: monkeypatch.setenv("MAKE", make[job]),
        )
    finally:
        gc.enable()
    assert seen == [0] * JOBS


def test_a_set_that_is_imported_for_each_job_is_not_read_for_each(make_set: MakeSet) -> None:
    plugin_set = make_set("s", {"plug/tasks.py": "L = iter([1])\ndef step(): return next(L)\n"})
    run_jobs(plugin_set)
    (plugin_set.root / "plug" / "tasks.py").write_text("it is another set that has other files")
    seen, modules = run_jobs(plugin_set)
    assert seen == [1] * JOBS
    assert is_imported_each_time(modules)
