"""What steps set for their whole process: in the interpreter, and in libraries.

Each setting is read when its library has just been imported, or when the process starts,
and written again after a stage that has changed it.
"""

import contextlib
import gc
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Read = Callable[[Any], Any]
Write = Callable[[Any, Any], None]


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of one module: how to read it from there, and how to write it.

    Attributes:
        module: Which; nothing is done unless it is loaded.
        read: Gets the module; gives something that equals what it gives as long as nothing
            was set.
        write: Gets the module and what was read once.
    """

    module: str
    read: Read
    write: Write


def _pairs(module: str, *names: tuple[str, str]) -> tuple[Setting, ...]:
    """Settings with a function to read and one to write each."""

    def make(getter: str, setter: str) -> Setting:
        return Setting(
            module,
            lambda of: getattr(of, getter)(),
            lambda of, value: getattr(of, setter)(value),
        )

    return tuple(make(*pair) for pair in names)


def _read_interpreter(_: Any) -> Any:
    return (
        gc.isenabled(),
        gc.get_threshold(),
        gc.get_debug(),
        sys.getrecursionlimit(),
        sys.getswitchinterval(),
        sys.get_int_max_str_digits(),
        sys.gettrace(),
        sys.getprofile(),
        sys.displayhook,
        sys.breakpointhook,
        sys.unraisablehook,
        socket.getdefaulttimeout(),
        threading.stack_size(),
    )


def _write_interpreter(_: Any, value: Any) -> None:
    enabled, threshold, debug, depth, interval, digits, trace, profile, *rest = value
    (gc.enable if enabled else gc.disable)()
    gc.set_threshold(*threshold)
    gc.set_debug(debug)
    sys.setrecursionlimit(depth)
    sys.setswitchinterval(interval)
    sys.set_int_max_str_digits(digits)
    sys.settrace(trace)
    sys.setprofile(profile)
    sys.displayhook, sys.breakpointhook, sys.unraisablehook, timeout, stack = rest
    socket.setdefaulttimeout(timeout)
    threading.stack_size(stack)


_LIMITS = tuple(
    sorted({getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")})
)


def _read_limits(_: Any) -> Any:
    return [resource.getrlimit(limit) for limit in _LIMITS]


def _write_limits(_: Any, value: Any) -> None:
    for limit, allowed in zip(_LIMITS, value, strict=True):
        if resource.getrlimit(limit) != allowed:
            resource.setrlimit(limit, allowed)


def _read_scheduling(_: Any) -> Any:
    return os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0)


def _write_scheduling(_: Any, value: Any) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, value[0])
    os.sched_setaffinity(0, value[1])


def _read_signals(_: Any) -> Any:
    return signal.pthread_sigmask(signal.SIG_BLOCK, ())


def _write_signals(_: Any, value: Any) -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, value)


def _read_context(decimal: Any) -> Any:
    context = decimal.getcontext()
    return repr(context)


def _write_context(decimal: Any, _: Any) -> None:
    decimal.setcontext(decimal.Context())


def _read_cudnn(torch: Any) -> Any:
    backends = torch.backends
    cudnn, matmul = backends.cudnn, backends.cuda.matmul
    return (
        cudnn.enabled,
        cudnn.benchmark,
        cudnn.deterministic,
        cudnn.allow_tf32,
        matmul.allow_tf32,
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.are_deterministic_algorithms_enabled(),
    )


def _write_cudnn(torch: Any, value: Any) -> None:
    cudnn = torch.backends.cudnn
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = value[:4]
    torch.backends.cuda.matmul.allow_tf32 = value[4]
    torch.use_deterministic_algorithms(value[6], warn_only=value[5])


def _read_device(torch: Any) -> Any:
    # Cheaper than torch.get_default_device, and it does not start a GPU.
    holder = getattr(torch, "_GLOBAL_DEVICE_CONTEXT", None)
    context = getattr(holder, "device_context", None)
    return None if context is None else str(context.device)


def _read_print_options(torch: Any) -> Any:
    options = vars(torch._tensor_str.PRINT_OPTS)  # noqa: SLF001
    return dict(options)


def _write_print_options(torch: Any, value: Any) -> None:
    for name, option in value.items():
        setattr(torch._tensor_str.PRINT_OPTS, name, option)  # noqa: SLF001


def _read_pandas(pandas: Any) -> Any:
    return _copied(pandas._config.config._global_config)  # noqa: SLF001


def _copied(options: Any) -> Any:
    return {k: _copied(v) if isinstance(v, dict) else v for k, v in options.items()}


def _write_pandas(pandas: Any, value: Any, prefix: str = "") -> None:
    for name, option in value.items():
        if isinstance(option, dict):
            _write_pandas(pandas, option, f"{prefix}{name}.")
        elif pandas.get_option(prefix + name) != option:
            pandas.set_option(prefix + name, option)


def _read_parameters(matplotlib: Any) -> Any:
    return dict(dict.items(matplotlib.rcParams))


def _write_parameters(matplotlib: Any, value: Any) -> None:
    # Past the checks: reading or writing `backend` the usual way would choose one.
    dict.update(matplotlib.rcParams, value)
    backend = value.get("backend")
    if isinstance(backend, str) and (pyplot := sys.modules.get("matplotlib.pyplot")):
        pyplot.switch_backend(backend)


def _read_figures(helpers: Any) -> Any:
    return len(helpers.Gcf.figs)


def _write_figures(helpers: Any, _: Any) -> None:
    helpers.Gcf.destroy_all()


SETTINGS = (
    Setting("sys", _read_interpreter, _write_interpreter),
    Setting("resource", _read_limits, _write_limits),
    Setting("os", _read_scheduling, _write_scheduling),
    Setting("signal", _read_signals, _write_signals),
    Setting(
        "faulthandler",
        lambda of: of.is_enabled(),
        lambda of, value: of.enable(file=2) if value else of.disable(),
    ),
    Setting("decimal", _read_context, _write_context),
    Setting("locale", lambda of: of.setlocale(of.LC_ALL), lambda of, v: of.setlocale(of.LC_ALL, v)),
    Setting(
        "multiprocessing.context",
        lambda of: of._default_context.get_start_method(allow_none=True),  # noqa: SLF001
        lambda of, v: of._default_context.set_start_method(v, force=True),  # noqa: SLF001
    ),
    Setting("numpy", lambda of: of.geterr(), lambda of, v: of.seterr(**v)),
    Setting("numpy", lambda of: of.get_printoptions(), lambda of, v: of.set_printoptions(**v)),
    *_pairs(
        "torch",
        ("get_default_dtype", "set_default_dtype"),
        ("is_grad_enabled", "set_grad_enabled"),
        ("get_num_threads", "set_num_threads"),
        ("get_float32_matmul_precision", "set_float32_matmul_precision"),
        ("is_anomaly_enabled", "set_anomaly_enabled"),
        ("is_warn_always_enabled", "set_warn_always"),
    ),
    Setting("torch", _read_device, lambda of, v: of.set_default_device(v)),
    Setting("torch", _read_cudnn, _write_cudnn),
    Setting("torch", _read_print_options, _write_print_options),
    Setting("pandas", _read_pandas, _write_pandas),
    Setting("matplotlib", _read_parameters, _write_parameters),
    Setting("matplotlib._pylab_helpers", _read_figures, _write_figures),
    Setting("sklearn", lambda of: of.get_config(), lambda of, v: of.set_config(**v)),
)


class Settings:
    """The settings of this process, as they should be."""

    def __init__(self) -> None:
        self._known: list[tuple[Setting, Any, Any]] = []
        self._left = list(SETTINGS)

    def note(self) -> None:
        """Read those whose library has been imported since the last time."""
        if not any(setting.module in sys.modules for setting in self._left):
            return
        left, self._left = self._left, []
        for setting in left:
            module = sys.modules.get(setting.module)
            if module is None or _is_unfinished(module):
                self._left.append(setting)
                continue
            # A library that lacks it, being older or newer, cannot have it changed.
            with contextlib.suppress(AttributeError, NotImplementedError):
                self._known.append((setting, module, setting.read(module)))

    def restore(self) -> bool:
        """Write what was changed; False when something could not be."""
        whole = True
        for setting, module, value in self._known:
            try:
                if setting.read(module) != value:
                    setting.write(module, value)
                    whole = whole and bool(setting.read(module) == value)
            except Exception:  # noqa: BLE001 - whatever it is, it is not what it was
                whole = False
        return whole

    def present(self) -> tuple[Any, ...]:
        """What they are now."""
        return tuple(setting.read(module) for setting, module, _ in self._known)


def _is_unfinished(module: Any) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
