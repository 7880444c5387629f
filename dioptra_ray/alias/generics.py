"""What older plugins import from `dioptra.sdk.generics`: functions to specialise by type."""

from functools import singledispatch
from typing import Any

__all__ = ["estimator_predict", "fit_estimator"]


@singledispatch
def estimator_predict(estimator: Any, x: Any, **kwargs: Any) -> Any:
    """Predict `x`; unless its type has an implementation of its own, by `estimator.predict`."""
    return estimator.predict(x, **kwargs)


@singledispatch
def fit_estimator(estimator: Any, x: Any, y: Any, **kwargs: Any) -> Any:
    """Fit to `x` and `y`; unless its type has an implementation of its own, by `estimator.fit`."""
    return estimator.fit(x, y, **kwargs)
