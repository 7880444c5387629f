"""Registering functions as tasks, and finding them again.

Plugins reach this module as `dioptra_ray.pyplugs` or `dioptra.pyplugs`. Registrations are
kept in records that belong to the active plugin set: activation exchanges them, so that
two versions of a plugin in one process never see each other's functions.
"""

import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple, TypeVar, overload

__all__ = [
    "PluginInfo",
    "UnknownPackageError",
    "UnknownPluginError",
    "UnknownPluginFunctionError",
    "call",
    "call_factory",
    "exists",
    "exists_factory",
    "funcs",
    "funcs_factory",
    "get",
    "get_factory",
    "info",
    "info_factory",
    "names",
    "names_factory",
    "register",
]

F = TypeVar("F", bound=Callable[..., Any])


class PyPlugsError(Exception):
    """A lookup found nothing."""


class UnknownPackageError(PyPlugsError):
    """The package cannot be imported, because it does not exist."""


class UnknownPluginError(PyPlugsError):
    """The module does not exist, or registers nothing."""


class UnknownPluginFunctionError(PyPlugsError):
    """The module registers no function of that name."""


class PluginInfo(NamedTuple):
    """What is known of a registered function."""

    package_name: str
    plugin_name: str
    func_name: str
    func: Callable[..., Any]
    description: str
    doc: str
    module_doc: str
    sort_value: float


Records = dict[str, dict[str, dict[str, PluginInfo]]]
"""Registered functions by package, module and name, each in the order of registration."""

_INSTALLED = ("stdlib", "purelib", "platlib")
_records: Records = {}


def exchange_records(records: Records) -> Records:
    """Use `records` from now on; return those used so far."""
    global _records
    previous, _records = _records, records
    return previous


@overload
def register(function: F, /) -> F: ...


@overload
def register(
    *,
    sort_value: float = ...,
    num_cpus: float | None = ...,
    num_gpus: float | None = ...,
    memory: float | str | None = ...,
    labels: Mapping[str, str] | None = ...,
    resources: Mapping[str, float] | None = ...,
    parallel: bool | None = ...,
    pure: bool | None = ...,
    readonly: bool | None = ...,
    retries: int | None = ...,
    retry_on: str | Sequence[str] | None = ...,
    retry_delay: float | str | None = ...,
    timeout: float | str | None = ...,
) -> Callable[[F], F]: ...


def register(  # noqa: PLR0913 - one keyword for each thing a task may declare
    function: F | None = None,
    /,
    *,
    sort_value: float = 0,
    num_cpus: float | None = None,  # noqa: ARG001 - see the docstring
    num_gpus: float | None = None,  # noqa: ARG001
    memory: float | str | None = None,  # noqa: ARG001
    labels: Mapping[str, str] | None = None,  # noqa: ARG001
    resources: Mapping[str, float] | None = None,  # noqa: ARG001
    parallel: bool | None = None,  # noqa: ARG001
    pure: bool | None = None,  # noqa: ARG001
    readonly: bool | None = None,  # noqa: ARG001
    retries: int | None = None,  # noqa: ARG001
    retry_on: str | Sequence[str] | None = None,  # noqa: ARG001
    retry_delay: float | str | None = None,  # noqa: ARG001
    timeout: float | str | None = None,  # noqa: ARG001
) -> F | Callable[[F], F]:
    """Register a function as a task and return it unchanged.

    Works with and without arguments. All keywords but `sort_value` declare what the task
    needs; they must be literals, since the planner reads them from the source and never
    runs it. Here, in the process that runs the task, they are settled and have no effect.

    Args:
        function: What to register: anything callable with a module and a name.
        sort_value: Place of its module in `names`, when it is the module's first.
        num_cpus: Logical CPUs.
        num_gpus: Logical GPUs.
        memory: Bytes of memory, or text such as "4GiB".
        labels: Labels that the node must have.
        resources: Custom Ray resources.
        parallel: Shares nothing but values with other steps, so it may run beside them.
        pure: Equal inputs give equal outputs and there are no other effects.
        readonly: Never changes its inputs, so that arrays and tensors from other
            processes need not be copied for it.
        retries: How often it may be repeated after a failure.
        retry_on: Names of exception classes, its own or of what it inherits from: it is
            repeated only after these. After any failure when not given.
        retry_delay: Seconds, or text such as "5s", before it is repeated the first time;
            doubled each time.
        timeout: Seconds, or text such as "2h", after which it is stopped.
    """
    if function is None:
        return partial(_register, sort_value=sort_value)
    return _register(function, sort_value=sort_value)


def _register(function: F, *, sort_value: float) -> F:
    package, _, plugin = function.__module__.rpartition(".")
    description, _, doc = (function.__doc__ or "").partition("\n\n")
    module = sys.modules.get(function.__module__)
    _records.setdefault(package, {}).setdefault(plugin, {})[function.__name__] = PluginInfo(
        package_name=package,
        plugin_name=plugin,
        func_name=function.__name__,
        func=function,
        description=description,
        doc=dedent(doc).strip(),
        module_doc=(module.__doc__ if module else None) or "",
        sort_value=sort_value,
    )
    return function


def names(package: str) -> list[str]:
    """Import all modules of a package and list those that register functions.

    Modules that start with an underscore are left out; one that cannot be imported does
    not hide the others.
    """
    try:
        folders = list(getattr(import_module(package), "__path__", ()))
    except ImportError as error:
        raise UnknownPackageError(str(error)) from None
    files = {file.stem for folder in folders for file in Path(folder).glob("*.py")}
    for plugin in sorted(file for file in files if not file.startswith("_")):
        try:
            _load(package, plugin)
        except Exception:  # noqa: BLE001, S112 - user code; whoever calls it sees the error
            continue
    plugins = _records.setdefault(package, {})
    return sorted(plugins, key=lambda plugin: info(package, plugin).sort_value)


def funcs(package: str, plugin: str) -> list[str]:
    """List the functions that a module registers."""
    _load(package, plugin)
    return list(_records.get(package, {})[plugin])


def info(package: str, plugin: str, func: str | None = None) -> PluginInfo:
    """Look up a registered function; without a name, the first one of the module."""
    functions = _records.get(package, {}).get(plugin)
    if functions is None:
        _load(package, plugin)
        functions = _records.get(package, {}).get(plugin)
    place = f"{package}.{plugin}" if package else plugin
    if functions is None:
        raise UnknownPluginError(_say_nothing_registered(place))
    if func is None:
        func = next(iter(functions))
    try:
        return functions[func]
    except KeyError:
        raise UnknownPluginFunctionError(
            f"Module {place!r} registers no function {func!r}, only: {', '.join(functions)}."
        ) from None


def exists(package: str, plugin: str) -> bool:
    """Whether the module exists and registers something."""
    try:
        _load(package, plugin)
    except (UnknownPackageError, UnknownPluginError):
        return False
    return plugin in _records.get(package, {})


def get(package: str, plugin: str, func: str | None = None) -> Callable[..., Any]:
    """Look up a registered function and return it."""
    return info(package, plugin, func).func


def call(package: str, plugin: str, func: str | None = None, *args: Any, **kwargs: Any) -> Any:
    """Look up a registered function and call it."""
    return get(package, plugin, func)(*args, **kwargs)


def names_factory(package: str) -> Callable[[], list[str]]:
    """`names` for one package."""
    return partial(names, package)


def funcs_factory(package: str) -> Callable[[str], list[str]]:
    """`funcs` for one package."""
    return partial(funcs, package)


def info_factory(package: str) -> Callable[..., PluginInfo]:
    """`info` for one package."""
    return partial(info, package)


def exists_factory(package: str) -> Callable[[str], bool]:
    """`exists` for one package."""
    return partial(exists, package)


def get_factory(package: str) -> Callable[..., Callable[..., Any]]:
    """`get` for one package."""
    return partial(get, package)


def call_factory(package: str) -> Callable[..., Any]:
    """`call` for one package."""
    return partial(call, package)


def _say_nothing_registered(module: str) -> str:
    found = sys.modules.get(module)
    file = getattr(found, "__file__", None) or ""
    if file.startswith(tuple(sysconfig.get_path(kind) for kind in _INSTALLED)):
        return (
            f"{module!r} is an installed module ({file}), which hides the plugin's file "
            "of the same name. Rename the plugin or the file."
        )
    return f"Module {module!r} registers no function. Decorate one with @pyplugs.register."


def _load(package: str, plugin: str) -> None:
    """Import a module, unless it has registered functions already."""
    if plugin in _records.get(package, {}):
        return
    module = f"{package}.{plugin}" if package else plugin
    try:
        import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module:
            place = f" in package {package!r}" if package else ""
            raise UnknownPluginError(f"There is no module {plugin!r}{place}.") from None
        if package and error.name == package:
            raise UnknownPackageError(f"There is no package {package!r}.") from None
        raise
