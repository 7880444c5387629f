"""What older plugins import from `dioptra.sdk.utilities.decorators`."""

import importlib
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from dioptra_ray.alias.exceptions import BaseOptionalDependencyError

__all__ = ["require_package"]

F = TypeVar("F", bound=Callable[..., Any])


def require_package(
    name: str,
    exc_message: str | None = None,
    exc_type: type[BaseOptionalDependencyError] = BaseOptionalDependencyError,
) -> Callable[[F], F]:
    """Refuse calls of a function with `exc_type` where a package is not installed."""

    def decorate(function: F) -> F:
        @wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            try:
                importlib.import_module(name)
            except ModuleNotFoundError:
                raise exc_type(
                    exc_message or f"{function.__name__} needs the package {name!r}: install it."
                ) from None
            return function(*args, **kwargs)

        return cast("F", checked)

    return decorate
