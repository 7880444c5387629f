"""How a text becomes the value of an entrypoint's parameter, judged by its declared type."""

from collections.abc import Mapping
from typing import Any

_SIMPLE = {"string": "string", "integer": "integer", "number": "float", "boolean": "boolean"}
_STRUCTURES = {"list": "list", "tuple": "list", "mapping": "mapping"}
_BY_DEFAULT: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "float"),
    (list, "list"),
    (dict, "mapping"),
)
# A valid description has no circle of types; a bound costs nothing.
_MAX_DEPTH = 64


def read_kinds(description: Mapping[str, Any]) -> dict[str, str]:
    """The kind (see `dioptra_ray.plugins.coerce`) of every parameter of a valid description."""
    types = description.get("types") or {}
    return {
        name: _kind_of_parameter(declared, types)
        for name, declared in (description.get("parameters") or {}).items()
    }


def _kind_of_parameter(declared: Any, types: Mapping[str, Any]) -> str:
    if isinstance(declared, Mapping):
        if declared.get("type") is not None:
            return _kind_of_type(declared["type"], types, _MAX_DEPTH) or "string"
        declared = declared.get("default")
    return next((kind for python, kind in _BY_DEFAULT if isinstance(declared, python)), "string")


def _kind_of_type(definition: Any, types: Mapping[str, Any], depth: int) -> str | None:
    """The kind of a type; None for `null` and what every text fits."""
    if isinstance(definition, str):
        return _SIMPLE.get(definition) or (
            _kind_of_type(types.get(definition), types, depth - 1) if depth else None
        )
    match definition:
        case {"is_a": str(parent)}:
            return _kind_of_type(parent, types, depth)
        case {"union": members}:
            return _kind_of_union({_kind_of_type(one, types, depth) for one in members})
        case Mapping():
            return next((_STRUCTURES[key] for key in definition if key in _STRUCTURES), None)
    return None


def _kind_of_union(kinds: set[str | None]) -> str | None:
    real = {kind for kind in kinds if kind is not None}
    if real == {"integer", "float"}:
        return "float"
    return real.pop() if len(real) == 1 else None
