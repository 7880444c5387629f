"""dioptra-ray: Dioptra experiments as typed task graphs on a Ray cluster.

The facade is lazy, so that plugin code which only needs `pyplugs` pays for nothing else.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dioptra_ray import pyplugs
    from dioptra_ray.artifact import ArtifactTaskInterface
    from dioptra_ray.client import Client
    from dioptra_ray.context import current_job

__all__ = ["ArtifactTaskInterface", "Client", "current_job", "pyplugs"]

_HOMES = {
    "ArtifactTaskInterface": "dioptra_ray.artifact",
    "Client": "dioptra_ray.client",
    "current_job": "dioptra_ray.context",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - the facade is lazy

    if name not in _HOMES:
        return import_module(f"{__name__}.{name}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
