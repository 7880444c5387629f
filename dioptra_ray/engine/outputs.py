"""Taking what a task returned apart into its outputs."""

import logging
from typing import Any

from dioptra_ray.engine.errors import NonIterableTaskOutputError

_LOG = logging.getLogger(__name__)


def unpack(value: Any, names: tuple[str, ...], *, what: str) -> dict[str, Any]:
    """Pair the values in `value` with `names`, in order.

    Values beyond the names are never asked for, so an endless generator works; names
    beyond the values stay undefined.

    Args:
        value: Anything that can be iterated.
        names: Output names.
        what: What made it, for messages, such as `step 'train'`.

    Raises:
        NonIterableTaskOutputError: The value cannot be iterated.
    """
    try:
        values = iter(value)
    except TypeError:
        raise NonIterableTaskOutputError(
            f"The value of {what} must be unpacked into the outputs {', '.join(names)}, but a "
            f"{type(value).__name__} cannot be iterated."
        ) from None
    size = _size(value)
    if size is not None and size != len(names):
        _LOG.warning("The value of %s has %d parts for %d outputs", what, size, len(names))
    return dict(zip(names, values, strict=False))


def _size(value: Any) -> int | None:
    try:
        return len(value)
    except Exception:  # noqa: BLE001 - user code; many iterables have no length, or no known one
        return None
