"""What a job changes in functions and classes of plugins is put back, too."""

from collections.abc import Callable
from typing import Any

import pytest

from dioptra_ray.plugins.activation import PluginSet
from tests.unit.plugins.jobs import JOBS, is_kept, run_jobs

MakeSet = Callable[..., PluginSet]


# What a module keeps between calls, and what its first call in a job returns.
KEPT: dict[str, tuple[str, Any]] = {
    "a cache": (
        """
        from functools import cache
        n = 0
        @cache
        def f():
            global n
            n += 1
            return n
        def step():
            f()
            return f(), f.cache_info().hits
        """,
        (1, 1),
    ),
    "a mutable default": (
        """
        def step(x=[]):
            x.append(1)
            return list(x)
        """,
        [1],
    ),
    "replaced defaults": (
        """
        def f(x=1, *, y=2): return x, y
        def step():
            z = f()
            f.__defaults__ = (8,)
            f.__kwdefaults__ = {'y': 9}
            return z
        """,
        (1, 2),
    ),
    "a mutable default by name": (
        """
        def step(*, x={}):
            x[len(x)] = 1
            return len(x)
        """,
        1,
    ),
    "an attribute of a function": (
        """
        def step():
            step.n = getattr(step, 'n', 0) + 1
            return step.n
        """,
        1,
    ),
    "a list in an attribute of a function": (
        """
        def f(): pass
        f.seen = [0]
        def step():
            f.seen.append(1)
            return list(f.seen)
        """,
        [0, 1],
    ),
    "replaced code": (
        """
        def f(): return 1
        def g(): return 2
        def step():
            x = f()
            f.__code__ = g.__code__
            return x
        """,
        1,
    ),
    "a class attribute": (
        """
        class C:
            n = 0
        def step():
            C.n += 1
            C.new = 1
            return C.n
        """,
        1,
    ),
    "a new class attribute": (
        """
        class C: pass
        def step():
            x = hasattr(C, 'new')
            C.new = 1
            return x
        """,
        False,
    ),
    "a list in a class": (
        """
        class C:
            seen = []
        def step():
            C.seen.append(1)
            return list(C.seen)
        """,
        [1],
    ),
    "a method": (
        """
        class C:
            def f(self): return 1
        def step():
            x = C().f()
            C.f = lambda self: 2
            return x
        """,
        1,
    ),
    "a default of a method": (
        """
        class C:
            @staticmethod
            def f(x=[]):
                x.append(1)
                return list(x)
        def step(): return C.f()
        """,
        [1],
    ),
    "a class in a class": (
        """
        class C:
            class D:
                n = 0
        def step():
            C.D.n += 1
            return C.D.n
        """,
        1,
    ),
    "an inherited class attribute": (
        """
        class A:
            seen = {}
        class B(A): pass
        def step():
            B.seen[len(B.seen)] = 1
            return len(A.seen)
        """,
        1,
    ),
    "a number in a closure": (
        """
        def make():
            n = 0
            def count():
                nonlocal n
                n += 1
                return n
            return count
        count = make()
        def step(): return count()
        """,
        1,
    ),
    "a wrapped function": (
        """
        from functools import wraps
        def deco(f):
            @wraps(f)
            def g():
                g.n = getattr(g, 'n', 0) + 1
                return f(), g.n
            return g
        @deco
        def step(x=[]):
            x.append(1)
            return list(x)
        """,
        ([1], 1),
    ),
    "a frozen dataclass": (
        """
        from dataclasses import dataclass, field
        @dataclass(frozen=True)
        class C:
            seen: list = field(default_factory=list)
        D = C()
        def step():
            D.seen.append(1)
            object.__setattr__(D, 'x', 1)
            return list(D.seen), D.x
        """,
        ([1], 1),
    ),
    "a named tuple": (
        """
        from typing import NamedTuple
        class P(NamedTuple):
            x: list
        P0 = P([])
        def step():
            P0.x.append(1)
            return list(P0.x)
        """,
        [1],
    ),
    "an enum": (
        """
        from enum import Enum
        class E(Enum):
            A = 1
            B = 2
        def step():
            x = hasattr(E.A, 'seen')
            E.A.seen = 1
            return x, E(2).name
        """,
        (False, "B"),
    ),
    "a partial": (
        """
        from functools import partial
        def f(seen, x):
            seen.append(x)
            return list(seen)
        g = partial(f, [0])
        def step(): return g(1)
        """,
        [0, 1],
    ),
    "a bound method of a list": (
        """
        L = []
        add = L.append
        def step():
            add(1)
            return list(L)
        """,
        [1],
    ),
    "an annotation": (
        """
        X: int = 1
        def step():
            x = len(__annotations__)
            __annotations__['y'] = str
            return x
        """,
        1,
    ),
    "a property": (
        """
        def get(self, seen=[]):
            seen.append(1)
            return list(seen)
        class C:
            p = property(get)
        del get
        def step(): return C().p
        """,
        [1],
    ),
    "a replaced instance": (
        """
        sentinel = object()
        X = sentinel
        def step():
            global X
            x, X = X is sentinel, open
            return x
        """,
        True,
    ),
    "the attributes of a function, replaced": (
        """
        def f(): pass
        def step():
            x = dict(f.__dict__)
            f.__dict__ = {"a": 1}
            return x
        """,
        {},
    ),
    "the globals of a function outside of modules": (
        """
        names = {}
        exec("n, seen = 0, []\\ndef f():\\n    global n\\n    n += 1\\n    return n", names)
        f = names["f"]
        del names
        def step():
            return f()
        """,
        1,
    ),
    "a list in a class that is known by its child only": (
        """
        class A:
            seen = []
        class B(A):
            pass
        del A
        def step():
            B.seen.append(1)
            return list(B.seen)
        """,
        [1],
    ),
    "a list in a class that is known by its instances only": (
        """
        class M(type):
            seen = []
        class C(metaclass=M):
            pass
        del M
        def step():
            C.seen.append(1)
            return list(C.seen)
        """,
        [1],
    ),
}


@pytest.mark.parametrize("idle", [0, 3])
@pytest.mark.parametrize("what", KEPT)
def test_is_put_back_in_place(make_set: MakeSet, what: str, idle: int) -> None:
    source, first = KEPT[what]
    seen, modules = run_jobs(make_set("s", {"plug/tasks.py": source}), idle=idle)
    assert seen == [first] * JOBS
    assert is_kept(modules)
