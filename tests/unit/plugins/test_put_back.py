"""What a job changes in the modules of its plugin set is put back, in place, for the next one."""

from collections.abc import Callable
from typing import Any

import pytest

from dioptra_ray.plugins.activation import PluginSet
from tests.unit.plugins.jobs import JOBS, is_kept, run_jobs

MakeSet = Callable[..., PluginSet]


# What a module keeps between calls, and what its first call in a job returns.
KEPT: dict[str, tuple[str, Any]] = {
    "a rebound number": (
        """
        n = 0
        def step():
            global n
            n += 1
            return n
        """,
        1,
    ),
    "a new global": (
        """
        def step():
            return globals().setdefault('new', []) or new.append(1)
        """,
        None,
    ),
    "a deleted global": (
        """
        X = 5
        def step():
            global X
            x = X
            del X
            return x
        """,
        5,
    ),
    "an equal value of another type": (
        """
        X = 1
        def step():
            global X
            x, X = X, True
            return type(x).__name__
        """,
        "int",
    ),
    "a list": (
        """
        L = [1]
        def step():
            L.append(2)
            return list(L)
        """,
        [1, 2],
    ),
    "a list in other order": (
        """
        L = [2, 1]
        def step():
            x = list(L)
            L.sort()
            return x
        """,
        [2, 1],
    ),
    "an empty list": (
        """
        L = []
        def step():
            L.append(2)
            return list(L)
        """,
        [2],
    ),
    "a dict": (
        """
        D = {'a': 1}
        def step():
            D['a'] += 1
            D['b'] = 0
            return dict(D)
        """,
        {"a": 2, "b": 0},
    ),
    "a nested dict": (
        """
        D = {'a': {'b': [1]}}
        def step():
            D['a']['b'].append(2)
            return list(D['a']['b'])
        """,
        [1, 2],
    ),
    "a replaced nested dict": (
        """
        D = {'a': {}}
        def step():
            x = dict(D['a'])
            D['a'] = {1: 2}
            return x
        """,
        {},
    ),
    "the order of a dict": (
        """
        D = {'a': 1, 'b': 2}
        def step():
            D['a'] = D.pop('a')
            return list(D)
        """,
        ["b", "a"],
    ),
    "a set": (
        """
        S = {1, 2}
        def step():
            S.add(3)
            return sorted(S)
        """,
        [1, 2, 3],
    ),
    "a bytearray": (
        """
        B = bytearray(b'ab')
        def step():
            B.extend(b'c')
            return bytes(B)
        """,
        b"abc",
    ),
    "a deque": (
        """
        from collections import deque
        D = deque([1], maxlen=2)
        def step():
            D.append(2)
            return list(D)
        """,
        [1, 2],
    ),
    "a Counter": (
        """
        from collections import Counter
        C = Counter(a=2)
        def step():
            C['a'] += 1
            C['b'] += 1
            return dict(C)
        """,
        {"a": 3, "b": 1},
    ),
    "an empty Counter": (
        """
        from collections import Counter
        C = Counter()
        def step():
            C['a'] += 1
            return dict(C)
        """,
        {"a": 1},
    ),
    "an OrderedDict": (
        """
        from collections import OrderedDict
        D = OrderedDict(a=1, b=2)
        def step():
            D.move_to_end('a')
            return list(D)
        """,
        ["b", "a"],
    ),
    "a defaultdict": (
        """
        from collections import defaultdict
        D = defaultdict(list)
        def step():
            D['a'].append(1)
            x = D.default_factory.__name__
            D.default_factory = dict
            return dict(D), x
        """,
        ({"a": [1]}, "list"),
    ),
    "the factory of a defaultdict": (
        """
        from collections import defaultdict
        D = defaultdict(list)
        def step():
            x = D.default_factory.__name__
            D.default_factory = dict
            return x
        """,
        "list",
    ),
    "a list and another that shares its items": (
        """
        A, B = [1], [2]
        def step():
            x = list(A), list(B)
            A.append(B.pop())
            return x
        """,
        ([1], [2]),
    ),
}


@pytest.mark.parametrize("idle", [0, 3])
@pytest.mark.parametrize("what", KEPT)
def test_is_put_back_in_place(make_set: MakeSet, what: str, idle: int) -> None:
    source, first = KEPT[what]
    seen, modules = run_jobs(make_set("s", {"plug/tasks.py": source}), idle=idle)
    assert seen == [first] * JOBS
    assert is_kept(modules)
