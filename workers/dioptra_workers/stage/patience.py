"""Waiting for a store that does not answer."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from dioptra_ray.errors import UnavailableError

Result = TypeVar("Result")

STORE_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between attempts at a store that does not answer."""


def patiently(call: Callable[..., Result], *arguments: Any) -> Result:
    """Call the store, and again after a while when it does not answer."""
    for pause in STORE_PAUSES:
        try:
            return call(*arguments)
        except UnavailableError:
            time.sleep(pause)
    return call(*arguments)
