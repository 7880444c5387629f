"""The type of a value (semantics section 2.3).

Inference sees Python values as YAML gives them: a list is never inferred as a list but as
a tuple, and what has no type of its own, such as a date, is `any`.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from dioptra_ray.language.graph import Reference, parse_reference
from dioptra_ray.language.types.compatibility import common_base
from dioptra_ray.language.types.model import (
    ANY,
    BOOLEAN,
    INTEGER,
    NULL,
    NUMBER,
    STRING,
    KeyedMappingType,
    MappingType,
    TupleType,
    Type,
    UnionType,
)

Resolve = Callable[[Reference], Type]


def infer(value: Any, resolve: Resolve | None = None) -> Type:
    """The type of `value`.

    Args:
        value: Anything; references are only seen at the places where an argument has them.
        resolve: Gives the type of a reference. Without it, all strings are plain text.
    """
    if isinstance(value, str):
        reference = parse_reference(value) if resolve else None
        return STRING if reference is None or resolve is None else resolve(reference)
    scalar = _infer_scalar(value)
    if scalar is not None:
        return scalar
    if isinstance(value, Mapping):
        return _infer_mapping(value, resolve)
    if isinstance(value, set | frozenset):
        # The order of a set differs from run to run; ours must not.
        return TupleType(infer(item, resolve) for item in sorted(value, key=repr))
    if isinstance(value, Collection):
        return TupleType(infer(item, resolve) for item in value)
    return ANY


def _infer_scalar(value: Any) -> Type | None:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int):
        return INTEGER
    if isinstance(value, float):
        return NUMBER
    return None


def _infer_mapping(value: Mapping[Any, Any], resolve: Resolve | None) -> Type:
    if not value:
        return MappingType({})
    key = common_base(infer(key) for key in value)
    if key == STRING:
        return MappingType({name: infer(item, resolve) for name, item in value.items()})
    if key != INTEGER:
        return ANY
    values = dict.fromkeys(infer(item, resolve) for item in value.values())
    return KeyedMappingType(INTEGER, next(iter(values)) if len(values) == 1 else UnionType(values))
