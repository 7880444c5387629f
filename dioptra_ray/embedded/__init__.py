"""The embedded deployment: controller, runner and Ray on this machine, with nothing to install."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dioptra_ray.embedded.lifecycle import down, status, up

__all__ = ["down", "status", "up"]


def __getattr__(name: str) -> Any:
    # Clients read the state of a deployment, and need not load what starts one.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dioptra_ray.embedded import lifecycle  # noqa: PLC0415

    return getattr(lifecycle, name)
