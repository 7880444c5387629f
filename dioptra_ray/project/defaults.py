"""Defaults of entrypoint parameters, as registration files write them."""

from typing import Any, Final

from dioptra_ray.plugins.coerce import coerce


def read_default(kind: str, value: Any) -> Any:
    """A default as written in TOML: Dioptra's text, or a value of the type itself.

    Raises:
        ValueError: It does not fit the type.
    """
    if isinstance(value, str):
        return coerce(kind, value)
    if kind == "float" and type(value) is int:
        return float(value)
    if type(value) is not _PYTHON_TYPES[kind]:
        raise ValueError(f"{value!r} is not of type {kind}.")
    return value


_PYTHON_TYPES: Final[dict[str, type]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "float": float,
    "list": list,
    "mapping": dict,
}
