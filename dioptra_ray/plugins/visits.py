"""How to look into each kind of value that a module may hold.

What is not listed here may hold state that nobody can put back, and is in doubt.
"""

import enum
import logging
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache, partial
from types import (
    BuiltinFunctionType,
    CellType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, Protocol

from dioptra_ray.plugins.findings import Findings
from dioptra_ray.plugins.ownership import ATOMS, Owns, is_immutable, is_loaded, is_of_a_library
from dioptra_ray.plugins.restoring import Attributes, Entries, Items, Octets


class Inspector(Protocol):
    """Whoever goes from value to value.

    Attributes:
        findings: What was found so far.
        owns: Which modules belong to the set.
    """

    findings: Findings
    owns: Owns

    def visit(self, name: str, value: Any) -> None:
        """Look at a value, unless it was looked at before."""

    def is_new(self, value: Any) -> bool:
        """Whether it was not looked at before; from now on it was."""

    def is_elsewhere(self, value: Any) -> bool:
        """Whether a function or class belongs to a library, or to another module of the set."""


Visit = Callable[[Inspector, str, Any], None]

_LONG = 10_000
_CLASS_MACHINERY = frozenset(
    {"__annotations__", "__dataclass_fields__", "__dict__", "__doc__", "__module__"}
    | {"__slotnames__", "__weakref__"}
)


def atom_text(value: Any) -> str:
    """What tells an atom from others of its type, in this process."""
    if isinstance(value, str | bytes):
        return str(hash(value))
    if type(value) is object:
        return ""
    if isinstance(value, int) and value.bit_length() > _LONG:
        return str(hash(value))
    return repr(value)


def visit_other(inspector: Inspector, name: str, value: Any) -> None:
    """Look at a value of no listed type."""
    kind, findings = type(value), inspector.findings
    if isinstance(value, type):
        _class(inspector, name, value)
    elif isinstance(value, enum.Enum):
        _member(inspector, value)
    elif is_immutable(value, inspector.owns):
        findings.say(_stable_text(value))
    elif isinstance(value, tuple) and hasattr(kind, "_fields"):
        inspector.visit("", kind)
        _items(inspector, "", value)
        _attributes_of(inspector, value)
    elif _is_frozen_dataclass(kind):
        inspector.visit("", kind)
        for field in value.__dataclass_fields__:
            inspector.visit(field, getattr(value, field, None))
        _attributes_of(inspector, value)
    elif isinstance(value, ModuleType) and is_loaded(value):
        findings.say(value.__name__)
    elif not is_of_a_library(name, value, inspector.owns):
        findings.doubt(f"is a {kind.__module__}.{kind.__qualname__}")


def _stable_text(value: Any) -> str:
    if isinstance(value, logging.Logger):
        return value.name  # its text tells its level, too
    text = repr(value)
    return "" if " at 0x" in text else text


def _is_frozen_dataclass(kind: type) -> bool:
    parameters = getattr(kind, "__dataclass_params__", None)
    return parameters is not None and bool(parameters.frozen)


def _items(inspector: Inspector, _: str, values: Iterable[Any]) -> None:
    for value in values:
        inspector.visit("", value)


def _unordered(inspector: Inspector, _: str, values: Iterable[Any]) -> None:
    # Their order tells of how the set was filled, and of nothing else.
    _items(inspector, "", sorted(values, key=_sort_key))


def _sort_key(value: Any) -> tuple[str, str]:
    return type(value).__qualname__, atom_text(value) if type(value) in ATOMS else ""


def _mapping(inspector: Inspector, _: str, values: Mapping[Any, Any]) -> None:
    for key, value in values.items():
        inspector.visit("", key)
        inspector.visit(key if isinstance(key, str) else "", value)


def _list(inspector: Inspector, _: str, value: list[Any] | deque[Any]) -> None:
    if not value:
        inspector.findings.empties.append(value)
        return
    inspector.findings.restorables.append(Items(value))
    _items(inspector, "", value)


def _set(inspector: Inspector, _: str, value: set[Any]) -> None:
    if not value:
        inspector.findings.empties.append(value)
        return
    inspector.findings.restorables.append(Items(value))
    _unordered(inspector, "", value)


def _dict(inspector: Inspector, _: str, value: dict[Any, Any]) -> None:
    if not value and type(value) is dict:
        inspector.findings.empties.append(value)
        return
    inspector.findings.restorables.append(Entries(value))
    _mapping(inspector, "", value)
    if isinstance(value, defaultdict):
        inspector.visit("", value.default_factory)
    _attributes_of(inspector, value)


def _octets(inspector: Inspector, _: str, value: bytearray) -> None:
    inspector.findings.restorables.append(Octets(value))
    inspector.findings.say(atom_text(bytes(value)))


def _attributes_of(inspector: Inspector, value: Any) -> None:
    if isinstance(own := getattr(value, "__dict__", None), dict):
        inspector.visit("", own)


def _function(inspector: Inspector, _: str, value: FunctionType) -> None:
    if inspector.is_elsewhere(value):
        return
    inspector.findings.say(f"{value.__qualname__} {hash(value.__code__)}")
    inspector.findings.functions.append(value)
    inspector.visit("", value.__dict__)
    inspector.visit("", value.__defaults__)
    inspector.visit("", value.__kwdefaults__)
    for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        _cell(inspector, name, cell)
    _private_globals(inspector, value.__globals__)


def _private_globals(inspector: Inspector, names: dict[str, Any]) -> None:
    """Look at the globals of a function that some code was executed to make, outside of modules."""
    module = sys.modules.get(str(names.get("__name__")))
    if getattr(module, "__dict__", None) is names or not inspector.is_new(names):
        return
    inspector.findings.restorables.append(Entries(names))
    for name, value in list(names.items()):
        if name != "__builtins__":
            inspector.visit(name, value)


def _cell(inspector: Inspector, name: str, cell: CellType) -> None:
    inspector.findings.cells.append(cell)
    try:
        content = cell.cell_contents
    except ValueError:
        return
    if type(content) in _CONTAINERS and content:  # each dataclass has captured an empty set
        inspector.findings.doubt("has captured something that can change")
    else:
        inspector.visit(name, content)


def _cache(inspector: Inspector, _: str, value: Any) -> None:
    if not inspector.is_elsewhere(value):
        inspector.findings.caches.append(value)
        _attributes_of(inspector, value)


def _class(inspector: Inspector, _: str, cls: type) -> None:
    if inspector.is_elsewhere(cls):
        return
    findings = inspector.findings
    findings.say(cls.__qualname__)
    findings.classes.append(cls)
    findings.restorables.append(Attributes(cls))
    is_enum = isinstance(cls, enum.EnumMeta)
    for name, value in list(vars(cls).items()):
        if name not in _CLASS_MACHINERY and not (is_enum and _is_of_enums(name, value)):
            inspector.visit(name, value)
    if isinstance(cls, enum.EnumMeta):
        _items(inspector, "", list(cls.__members__.values()))
    if isinstance(annotations := vars(cls).get("__annotations__"), dict):
        findings.restorables.append(Entries(annotations))
    inspector.visit("", type(cls))
    _items(inspector, "", cls.__bases__)


def _is_of_enums(name: str, value: Any) -> bool:
    return (name.startswith("_") and name.endswith("_")) or type(value).__module__ == "enum"


def _member(inspector: Inspector, value: enum.Enum) -> None:
    inspector.visit("", type(value))
    inspector.findings.restorables.append(Entries(vars(value)))
    own = {name: item for name, item in vars(value).items() if name != "__objclass__"}
    _mapping(inspector, "", own)


def _bound(inspector: Inspector, name: str, value: Any) -> None:
    """Look at something callable that goes with one object."""
    owner = value.__self__
    if owner is None or isinstance(owner, ModuleType):
        inspector.findings.say(value.__name__)
    elif not is_of_a_library(name, value, inspector.owns):
        inspector.visit("", owner)
        if isinstance(value, MethodType):
            inspector.visit("", value.__func__)


def _partial(inspector: Inspector, _: str, value: partial[Any]) -> None:
    _items(inspector, "", (value.func, *value.args, value.keywords))
    _attributes_of(inspector, value)


def _property(inspector: Inspector, _: str, value: property) -> None:
    _items(inspector, "", (value.fget, value.fset, value.fdel))


def _method(inspector: Inspector, _: str, value: Any) -> None:
    inspector.visit("", value.__func__)


def _cached_property(inspector: Inspector, _: str, value: cached_property[Any]) -> None:
    inspector.visit("", value.func)


def _slice(inspector: Inspector, _: str, value: slice) -> None:
    _items(inspector, "", (value.start, value.stop, value.step))


def _descriptor(inspector: Inspector, _: str, value: Any) -> None:
    """Look at what C code made, which is known by its name."""
    inspector.findings.say(value.__name__)


_CONTAINERS: dict[type, Visit] = {
    list: _list,
    deque: _list,
    set: _set,
    dict: _dict,
    Counter: _dict,
    OrderedDict: _dict,
    defaultdict: _dict,
    bytearray: _octets,
}

visits: dict[type, Visit] = {
    **_CONTAINERS,
    tuple: _items,
    frozenset: _unordered,
    MappingProxyType: _mapping,
    slice: _slice,
    FunctionType: _function,
    BuiltinFunctionType: _bound,
    MethodType: _bound,
    MethodWrapperType: _bound,
    staticmethod: _method,
    classmethod: _method,
    property: _property,
    partial: _partial,
    cached_property: _cached_property,
    type(lru_cache(lambda: None)): _cache,
    **dict.fromkeys(
        (
            ClassMethodDescriptorType,
            GetSetDescriptorType,
            MemberDescriptorType,
            MethodDescriptorType,
            WrapperDescriptorType,
        ),
        _descriptor,
    ),
}
"""How to look at values of exactly these types."""
