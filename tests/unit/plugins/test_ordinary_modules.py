"""Modules as most plugins have them are imported twice, and no more."""

from collections.abc import Callable

from dioptra_ray.plugins.activation import PluginSet
from tests.unit.plugins.jobs import JOBS, is_kept, run_jobs

MakeSet = Callable[..., PluginSet]


def test_an_ordinary_module_is_kept(make_set: MakeSet) -> None:
    source = """
from __future__ import annotations
import datetime, decimal, enum, functools, json as js, logging, operator, os, re, typing, uuid
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import pi
from os import environ
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, NewType, Protocol, TypedDict, TypeVar
import numpy as np
import structlog
from numpy import exp, float32
from dioptra import pyplugs
from dioptra.sdk.api.artifact import ArtifactTaskInterface

LOGGER: structlog.stdlib.BoundLogger = structlog.get_logger()
BOUND = structlog.get_logger().bind(part="plug")
LOG = logging.getLogger(__name__)
T = TypeVar("T")
Name = NewType("Name", str)
Alias = dict[str, "list[int] | None"]
Maybe = typing.Optional[int]
ROOT, PATTERN = Path("x"), re.compile("y")
DAY, ONE, WHO = datetime.timedelta(1), decimal.Decimal("1.0"), uuid.UUID(int=1)
KEY = operator.itemgetter("a")
VIEW = MappingProxyType({"a": (1, 2.5, b"x", 1j)})
KIND, ZERO = np.dtype("float32"), np.float64(0)
CALLS = {"sum": sum, "mean": np.mean, "up": str.upper, "now": datetime.datetime.now}
CUT = slice(1, None)
MISSING = object()

class Colour(enum.Enum):
    RED = "r"
class Flag(enum.IntFlag):
    A = 1
    B = 2
@dataclass
class Plain:
    x: int
    y: list[int] = field(default_factory=list, metadata={"a": 1})
@dataclass(frozen=True, slots=True, order=True)
class Frozen:
    x: int = 1
FROZEN = Frozen()
class Pair(NamedTuple):
    a: int = 1
PAIR = Pair()
class Typed(TypedDict, total=False):
    a: int
class Speaks(Protocol[T]):
    def speak(self) -> T: ...
class Base(ABC, Generic[T]):
    __slots__ = ("a",)
    @abstractmethod
    def go(self): ...
    @classmethod
    def make(cls): return cls()
class Child(Base[int]):
    @functools.cached_property
    def p(self): return 1
    def go(self): return super().go()
class WrongError(ValueError): pass
class Task(ArtifactTaskInterface):
    @staticmethod
    def serialize(working_dir, name, contents, **kwargs): return Path(name)
    @staticmethod
    def deserialize(working_dir, path, **kwargs): return path
    @staticmethod
    def validation(): return None
@contextmanager
def managed(x: int = 1):
    yield x
@pyplugs.register
def step() -> int:
    with managed():
        return len(Child.__mro__) and Flag.A | Flag.B and 1
@pyplugs.register(num_cpus=1)
def other(a: Colour = Colour.RED, *, b: Any = None, c=FROZEN): ...
"""
    files = {"plug/__init__.py": "from .tasks import step\n", "plug/tasks.py": source}
    seen, modules = run_jobs(make_set("s", files))
    assert seen == [1] * JOBS
    assert is_kept(modules)
