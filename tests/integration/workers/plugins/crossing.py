"""A plugin: values of many kinds, and whether they are right where they arrive.

`make` makes the value of a case in one process, `check` looks at it in another.
"""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import pathlib
import re
import socket
import threading
import traceback
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from dioptra import pyplugs

from dioptra_ray import current_job


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntFlag):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: int
    tags: tuple[str, ...] = ()


class Pair(NamedTuple):
    left: int
    right: Any


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


class Outer:
    class Inner:
        def __init__(self, owner):
            self.owner = owner

    def __init__(self):
        self.inner = Outer.Inner(self)

    def method(self):
        return 42


class OddError(Exception):
    def __init__(self, what, code):
        super().__init__(what, code)
        self.code = code


class Counting(dict):
    def __init__(self, *args, limit=0):
        super().__init__(*args)
        self.limit = limit


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(4, 4)
        self.second = torch.nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))


class Reader(torch.utils.data.Dataset):
    def __len__(self):
        return 5

    def __getitem__(self, index):
        return index * 2


class Locked:
    def __init__(self):
        self.lock = threading.Lock()


class Forgetful:
    def __reduce__(self):
        return _refuse, ()


def _refuse():
    raise RuntimeError("not here")


def twice(x):
    return 2 * x


def local_class():
    class Local:
        def __init__(self, x):
            self.x = x

        def doubled(self):
            return twice(self.x)

    return Local(4)


def trained():
    """A model in training, with an optimizer that has a state."""
    torch.manual_seed(1)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    return {"model": model, "optimizer": optimizer}


def goes_on(value):
    """Whether a step of the optimizer still changes the model, tied weights and all."""
    model, optimizer = value["model"], value["optimizer"]
    before = model.first.weight.detach().clone()
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    return (
        model.first.weight is model.second.weight
        and not torch.equal(before, model.first.weight)
        and optimizer.state[model.first.weight]["step"] == 2
        and model.seen.requires_grad is False
    )


def changed(array):
    array.flat[0] = array.flat[1]
    return array


def fail():
    raise OddError("what", 7)


def raised():
    try:
        fail()
    except OddError as error:
        return error


def times(n):
    return lambda x: x * n


def views():
    whole = torch.zeros(10)
    return whole, whole[2:5], whole.view(2, 5)


def noted():
    tensor = torch.ones(4).to(torch.float8_e5m2)
    tensor.note = "n"
    return tensor


def frame():
    return pd.DataFrame(
        {
            "number": [1.5, None, 3.0],
            "text": ["a", None, "c"],
            "kind": pd.Categorical(["x", "y", "x"]),
            "when": pd.date_range("2024-01-01", periods=3, tz="UTC"),
            "point": [Point(1), None, Point(2)],
        },
        index=pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["one", "two"]),
    )


def same(expected):
    return lambda value: value == expected and type(value) is type(expected)


def equal(make):
    return lambda value: torch.equal(value, make()) and value.dtype == make().dtype


def _sparse():
    return torch.sparse_coo_tensor(torch.tensor([[0, 1], [1, 0]]), torch.tensor([3.0, 4.0]), (2, 3))


def _quantised():
    return torch.quantize_per_tensor(torch.tensor([1.0, 2.0, 3.0]), 0.1, 10, torch.quint8)


def _structured():
    return np.array([(1, "a", 2.5), (2, "b", 3.5)], dtype=[("n", "i4"), ("s", "U3"), ("x", "f8")])


def _fortran():
    return np.asfortranarray(np.arange(6.0).reshape(2, 3))


OFFSET = 10
CASES = {
    # Python
    "none": (lambda: None, lambda v: v is None),
    "tuple_in_list": (lambda: [(1, None), ()], same([(1, None), ()])),
    "containers": (
        lambda: {
            "deque": collections.deque([1, 2], maxlen=2),
            "default": collections.defaultdict(list, a=[1]),
            "counter": collections.Counter("aab"),
            "frozen": frozenset({1}),
            "range": range(3),
        },
        lambda v: v["default"]["new"] == [] and v["deque"].maxlen == 2 and v["range"] == range(3),
    ),
    "itself": (lambda: [x := [], x.append(x)][0], lambda v: v[0] is v),
    "scalars": (
        lambda: (decimal.Decimal("1.10"), 1j, b"\0", 2**100, ..., dt.date(2024, 1, 1)),
        same((decimal.Decimal("1.10"), 1j, b"\0", 2**100, ..., dt.date(2024, 1, 1))),
    ),
    "path_and_pattern": (
        lambda: (pathlib.Path("a/b"), re.compile("a+")),
        lambda v: v[0].name == "b" and v[1].fullmatch("aa"),
    ),
    "bytearray": (lambda: bytearray(b"x" * 2_000_000), lambda v: not v.__setitem__(0, 1)),
    "lambda": (lambda: lambda x: x + OFFSET, lambda v: v(1) == 11),
    "closure": (lambda: times(3), lambda v: v(2) == 6),
    "partial": (lambda: functools.partial(twice, 4), lambda v: v() == 8),
    "function": (lambda: twice, lambda v: v is twice),
    "module": (lambda: np.linalg, lambda v: v is np.linalg),
    # Classes of plugins
    "class": (lambda: Outer, lambda v: v is Outer),
    "instance": (Outer, lambda v: type(v) is Outer and v.inner.owner is v),
    "nested_class": (lambda: Outer().inner, lambda v: type(v) is Outer.Inner),
    "bound_method": (lambda: Outer().method, lambda v: v() == 42),
    "enum": (
        lambda: (Colour.RED, Level.LOW | Level.HIGH),
        lambda v: v[0] is Colour.RED and v[1] == 3,
    ),
    "dataclass": (lambda: Point(3, ("t",)), same(Point(3, ("t",)))),
    "named_tuple": (lambda: Pair(1, Point(2)), lambda v: type(v) is Pair and v.right.x == 2),
    "slots": (lambda: Slotted([1]), lambda v: v.value == [1]),
    "container_class": (
        lambda: Counting({"a": 1}, limit=3),
        lambda v: type(v) is Counting and v == {"a": 1} and v.limit == 3,
    ),
    "local_class": (local_class, lambda v: v.doubled() == 8),
    "exception": (
        raised,
        lambda v: type(v) is OddError and v.code == 7 and v.args == ("what", 7),
    ),
    "exception_group": (
        lambda: ExceptionGroup("many", [ValueError(1), raised()]),
        lambda v: [type(e) for e in v.exceptions] == [ValueError, OddError],
    ),
    # numpy
    "array": (lambda: np.arange(300_000.0), lambda v: changed(v)[0] == 1.0 and v.flags.writeable),
    "array_of_nothing": (lambda: np.ones((0, 3)), lambda v: v.shape == (0, 3)),
    "array_without_dimensions": (lambda: np.array(5), lambda v: v.shape == () and v == 5),
    "array_structured": (
        _structured,
        lambda v: v.dtype == _structured().dtype and (v == _structured()).all(),
    ),
    "array_of_objects": (
        lambda: np.array([Point(1), None, "x"], dtype=object),
        lambda v: v[0] == Point(1) and v[1] is None,
    ),
    "array_fortran": (_fortran, lambda v: v.flags.f_contiguous and (changed(v) == v).all()),
    "array_strided": (lambda: np.arange(10)[::3], lambda v: v.tolist() == [0, 3, 6, 9]),
    "array_transposed": (
        lambda: np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
        lambda v: (v == np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2)).all(),
    ),
    "array_locked": (
        lambda: np.broadcast_to(np.arange(3), (2, 3)),
        lambda v: v.tolist() == [[0, 1, 2]] * 2,
    ),
    "array_masked": (
        lambda: np.ma.masked_array([1, 2, 3], mask=[0, 1, 0]),
        lambda v: v.sum() == 4,
    ),
    "array_of_dates": (
        lambda: np.array(["2024-01-01"], dtype="datetime64[D]"),
        lambda v: v.dtype == "datetime64[D]",
    ),
    "numpy_scalar": (lambda: np.float32(1.5), same(np.float32(1.5))),
    "random_generator": (
        lambda: np.random.default_rng(5),
        lambda v: v.random() == np.random.default_rng(5).random(),
    ),
    # pandas
    "frame": (
        frame,
        lambda v: (
            pd.testing.assert_frame_equal(v, frame()) is None and v["point"].iloc[0] == Point(1)
        ),
    ),
    "frame_is_writable": (
        lambda: pd.DataFrame({"a": np.arange(200_000.0)}),
        lambda v: v.__setitem__("a", v["a"] + 1) is None and v["a"].to_numpy().sum() > 0,
    ),
    "series": (lambda: pd.Series([1, 2], name="s"), lambda v: v.name == "s" and v.sum() == 3),
    # torch
    "tensor": (lambda: torch.arange(300_000.0), equal(lambda: torch.arange(300_000.0))),
    "tensor_bf16": (
        lambda: torch.ones(7, dtype=torch.bfloat16),
        equal(lambda: torch.ones(7, dtype=torch.bfloat16)),
    ),
    "tensor_f8": (
        lambda: torch.ones(4).to(torch.float8_e4m3fn),
        lambda v: v.dtype == torch.float8_e4m3fn and v.float().sum() == 4,
    ),
    "tensor_complex": (lambda: torch.tensor([1 + 2j]), equal(lambda: torch.tensor([1 + 2j]))),
    "tensor_with_a_note": (
        noted,
        lambda v: v.note == "n" and v.dtype == torch.float8_e5m2,
    ),
    "tensor_conjugate": (
        lambda: torch.tensor([1 + 2j]).conj(),
        equal(lambda: torch.tensor([1 - 2j])),
    ),
    "tensor_transposed": (
        lambda: torch.arange(6).reshape(2, 3).t(),
        lambda v: v.stride() == (1, 3) and v.tolist() == [[0, 3], [1, 4], [2, 5]],
    ),
    "tensor_expanded": (
        lambda: torch.ones(1).expand(1000),
        lambda v: v.stride() == (0,) and v.sum() == 1000,
    ),
    "tensor_views": (
        views,
        lambda v: v[1].add_(1) is v[1] and v[0].sum() == 3 and v[2].sum() == 3,
    ),
    "tensor_with_gradient": (
        lambda: torch.ones(3, requires_grad=True),
        lambda v: (v * 2).sum().backward() is None and v.grad.tolist() == [2, 2, 2],
    ),
    "tensor_sparse": (
        _sparse,
        lambda v: v.is_sparse and torch.equal(v.to_dense(), _sparse().to_dense()),
    ),
    "tensor_sparse_rows": (
        lambda: _sparse().to_dense().to_sparse_csr(),
        lambda v: v.layout == torch.sparse_csr and torch.equal(v.to_dense(), _sparse().to_dense()),
    ),
    "tensor_quantised": (
        _quantised,
        lambda v: (
            v.is_quantized
            and v.q_scale() == 0.1
            and torch.equal(v.int_repr(), _quantised().int_repr())
        ),
    ),
    "tensor_of_nowhere": (
        lambda: torch.empty(3, device="meta"),
        lambda v: v.device.type == "meta" and v.shape == (3,),
    ),
    "parameter": (
        lambda: torch.nn.Parameter(torch.ones(2)),
        lambda v: type(v) is torch.nn.Parameter and v.requires_grad,
    ),
    "training": (trained, goes_on),
    "state": (
        lambda: Net().state_dict(),
        lambda v: Net().load_state_dict(v) is not None and v["first.weight"].shape == (4, 4),
    ),
    "dataset": (Reader, lambda v: v[2] == 4 and len(v) == 5),
    "loader": (
        lambda: torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(torch.arange(6)), batch_size=4
        ),
        lambda v: [batch.tolist() for (batch,) in v] == [[0, 1, 2, 3], [4, 5]],
    ),
    "torch_generator": (
        lambda: torch.Generator().manual_seed(3),
        lambda v: (
            torch.rand(1, generator=v) == torch.rand(1, generator=torch.Generator().manual_seed(3))
        ),
    ),
    "torch_types": (
        lambda: (torch.float16, torch.device("cpu"), torch.Size([2])),
        lambda v: v[0] is torch.float16 and v[2] == (2,),
    ),
}
REFUSED = {
    "generator": lambda: (n for n in range(3)),
    "socket": socket.socket,
    "lock": threading.Lock,
    "Locked": Locked,
    "ScriptModule": lambda: torch.jit.script(torch.nn.Linear(2, 2)),
}


@pyplugs.register
def make(case):
    return CASES[case][0]()


@pyplugs.register
def check(case, value):
    try:
        result = bool(CASES[case][1](value))
    except Exception:  # noqa: BLE001 - whatever it is, the other cases go on
        print(f"{case}:", traceback.format_exc())
        result = False
    current_job().log_metric(case, float(result))


@pyplugs.register
def refuse(case):
    return REFUSED[case]()


@pyplugs.register
def forgetful():
    return Forgetful()


@pyplugs.register
def take(value):
    del value
