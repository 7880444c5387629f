"""The description language: what an entrypoint may say, and what is wrong with one.

Pure: no network, no plugin code. The facade is lazy, since `dioptra_ray.errors` needs
`Issue` from here and the loader needs the errors.
"""

from typing import TYPE_CHECKING, Any

from dioptra_ray.language.issues import Issue

if TYPE_CHECKING:
    from dioptra_ray.language.loading import load
    from dioptra_ray.language.validation import validate

__all__ = ["Issue", "load", "validate"]

_HOMES = {
    "load": "dioptra_ray.language.loading",
    "validate": "dioptra_ray.language.validation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - the facade is lazy

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
