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


def read_kinds(description: Mapping[str, Any]) -> dict[str, str]:
    """The kind (see `dioptra_ray.plugins.coerce`) of every parameter of a valid description."""
    types = _Types(description.get("types") or {})
    return {
        name: _kind_of_parameter(declared, types)
        for name, declared in (description.get("parameters") or {}).items()
    }


def _kind_of_parameter(declared: Any, types: "_Types") -> str:
    if isinstance(declared, Mapping):
        if declared.get("type") is not None:
            return types.kind(declared["type"]) or "string"
        declared = declared.get("default")
    return next((kind for python, kind in _BY_DEFAULT if isinstance(declared, python)), "string")


class _Types:
    """Kinds of types, each found once: unions of unions would take for ever otherwise."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._known: dict[str, str | None] = dict(_SIMPLE)

    def kind(self, definition: Any) -> str | None:
        """The kind of a type; None for `null` and what every text fits."""
        match definition:
            case str(name):
                if name not in self._known:
                    self._known[name] = None  # what a circle of types comes to
                    self._known[name] = self.kind(self._definitions.get(name))
                return self._known[name]
            case {"is_a": str(parent)}:
                return self.kind(parent)
            case {"union": members}:
                return _kind_of_union({self.kind(member) for member in members})
            case Mapping():
                return next((_STRUCTURES[key] for key in definition if key in _STRUCTURES), None)
        return None


def _kind_of_union(kinds: set[str | None]) -> str | None:
    real = {kind for kind in kinds if kind is not None}
    if real == {"integer", "float"}:
        return "float"
    return real.pop() if len(real) == 1 else None
