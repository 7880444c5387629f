"""What plugins import from `dioptra.sdk.exceptions` and its modules."""

from dioptra_ray.pyplugs import PyPlugsError as BasePyPlugsException
from dioptra_ray.pyplugs import (
    UnknownPackageError,
    UnknownPluginError,
    UnknownPluginFunctionError,
)

__all__ = [
    "ARTDependencyError",
    "BaseDioptraError",
    "BaseGenericsRegistryError",
    "BaseOptionalDependencyError",
    "BasePyPlugsException",
    "BaseTaskPluginError",
    "CryptographyDependencyError",
    "EstimatorPredictGenericPredTypeError",
    "PrefectDependencyError",
    "TensorflowDependencyError",
    "UnknownPackageError",
    "UnknownPluginError",
    "UnknownPluginFunctionError",
]


class BaseDioptraError(Exception):
    """Root of the errors that plugins raise in Dioptra's name."""


class BaseGenericsRegistryError(BaseDioptraError):
    """A generic function was registered wrongly."""


class BaseOptionalDependencyError(BaseDioptraError):
    """A package is needed that is not installed."""


class BaseTaskPluginError(BaseDioptraError):
    """A task plugin went wrong."""


class ARTDependencyError(BaseOptionalDependencyError):
    """The Adversarial Robustness Toolbox is needed."""


class CryptographyDependencyError(BaseOptionalDependencyError):
    """The package cryptography is needed."""


class PrefectDependencyError(BaseOptionalDependencyError):
    """The package prefect is needed."""


class TensorflowDependencyError(BaseOptionalDependencyError):
    """The package tensorflow is needed."""


class EstimatorPredictGenericPredTypeError(BaseGenericsRegistryError):
    """`estimator_predict` was asked for a kind of prediction that it does not know."""
