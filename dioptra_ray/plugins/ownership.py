"""Telling what plugins made from what libraries made, and what can never change.

Libraries stay loaded from job to job, so what they own is no state of a plugin set, even
where a plugin refers to it.
"""

import sys
from collections.abc import Callable
from types import EllipsisType, ModuleType, NoneType, NotImplementedType
from typing import Any

Owns = Callable[[str], bool]
"""Whether the module of a name belongs to the plugin set."""

ATOMS = frozenset(
    {
        NoneType,
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        range,
        object,
        EllipsisType,
        NotImplementedType,
    }
)
"""Types whose instances, but not those of their subclasses, never change."""

# By name, since most of these are never loaded.
_IMMUTABLE = frozenset(
    {
        "_decimal.Decimal",
        "abc._abc_data",
        "_abc._abc_data",
        "_collections._tuplegetter",
        "dataclasses.Field",
        "dataclasses.InitVar",
        "dataclasses._DataclassParams",
        "dataclasses._HAS_DEFAULT_FACTORY_CLASS",
        "dataclasses._KW_ONLY_TYPE",
        "dataclasses._MISSING_TYPE",
        "datetime.date",
        "datetime.time",
        "datetime.timedelta",
        "datetime.tzinfo",
        "decimal.Decimal",
        "fractions.Fraction",
        "ipaddress._IPAddressBase",
        "logging.Logger",
        "numpy.bool",
        "numpy.bool_",
        "numpy.datetime64",
        "numpy.dtype",
        "numpy.number",
        "numpy.ufunc",
        "operator.attrgetter",
        "operator.itemgetter",
        "operator.methodcaller",
        "pathlib.PurePath",
        "re.Pattern",
        "_struct.Struct",
        "structlog._base.BoundLoggerBase",
        "structlog._config.BoundLoggerLazyProxy",
        "structlog._native.BoundLoggerFilteringAtNotset",
        "torch.Size",
        "torch.autograd.grad_mode.enable_grad",
        "torch.autograd.grad_mode.inference_mode",
        "torch.autograd.grad_mode.no_grad",
        "torch.device",
        "torch.dtype",
        "torch.layout",
        "torch.memory_format",
        "types.GenericAlias",
        "types.UnionType",
        "uuid.UUID",
        "zoneinfo.ZoneInfo",
    }
)
_TYPING = frozenset({"typing", "typing_extensions"})


def home_of(value: Any) -> str | None:
    """The module from which a function or class can be imported; None when it cannot."""
    module = getattr(value, "__module__", None)
    path = getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(path, str):
        return None
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return module if found is value else None


def is_immutable(value: Any, owns: Owns) -> bool:
    """Whether a library's type promises that `value` never changes."""
    kind = type(value)
    if kind.__module__ in _TYPING:
        return True
    if owns(kind.__module__):
        return False
    return any(f"{base.__module__}.{base.__qualname__}" in _IMMUTABLE for base in kind.__mro__)


def is_of_a_library(name: str, value: Any, owns: Owns) -> bool:
    """Whether a library holds this very object under the same name."""
    for module_name, module in list(sys.modules.items()):
        names = getattr(module, "__dict__", None)
        has_it = type(names) is dict and names.get(name) is value
        if has_it and module_name != "__main__" and not owns(module_name):
            return True
    return False


def is_loaded(module: ModuleType) -> bool:
    """Whether a module is in `sys.modules`: then it is a library's, or looked at by itself."""
    return sys.modules.get(module.__name__) is module
