"""Reading Ray's `runtime_env` as users write it: everything wrong with it, in words.

Ray itself checks it only on a worker's node, minutes later, and names Python types. What
would mean a path on some machine is refused here: nobody could know which machine.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

RESERVED_PREFIXES: Final = ("RAY_", "DIOPTRA_", "PYTHONHOME")
"""Environment variables that Ray and we set ourselves, or that keep Python from starting."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_SHOWN = 60

Problem = tuple[str, str]
"""Where something is wrong, below `runtime_env`, and what it must be."""

Check = Callable[[Any, str], Iterator[Problem]]


def find_problems(runtime_env: Any) -> Iterator[Problem]:
    """Everything that is wrong with a `runtime_env`."""
    if not isinstance(runtime_env, Mapping):
        yield "", f"must be a mapping such as {{env_vars: ...}}, not {shown(runtime_env)}"
        return
    for key, value in runtime_env.items():
        if key in _CHECKS:
            yield from _CHECKS[key](value, key)
        else:
            yield "", _unknown(key)
    for one, other in _EXCLUSIVE:
        if one in runtime_env and other in runtime_env:
            yield "", f"{one} and {other} exclude each other; choose one of them"
    if "image_uri" in runtime_env:
        further = sorted(set(runtime_env) & {"pip", "uv", "conda", "nsight"})
        if further:
            yield "", f"image_uri excludes {', '.join(further)}: put that into the image"


def _unknown(key: Any) -> str:
    if key in _REFUSED:
        return f"{key!r} is not allowed: {_REFUSED[key]}"
    close = difflib.get_close_matches(str(key), _CHECKS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(_CHECKS)}"
    return f"{shown(key)} is not a key of it ({hint})"


def _check_variables(value: Any, where: str) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield where, f"must be a mapping of names to texts, not {shown(value)}"
        return
    for name, text in value.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            yield where, f"{shown(name)} is not a name of an environment variable"
        elif name.startswith(RESERVED_PREFIXES):
            yield where, f"{name} is reserved for Ray, dioptra-ray and Python itself"
        elif not isinstance(text, str):
            yield f"{where}.{name}", f"must be a text, not {shown(text)}; put it in quotes"
        elif "\0" in text:
            yield f"{where}.{name}", "must not hold a NUL character"
        elif name == "PATH" and "${PATH}" not in text:
            yield f"{where}.{name}", 'must hold "${PATH}": without it Ray cannot start Python'


def _check_packages(value: Any, where: str, options: Mapping[str, Check]) -> Iterator[Problem]:
    """A list of packages, or a mapping with such a list and options."""
    if not isinstance(value, Mapping):
        yield from _check_texts(value, where)
        return
    known = {"packages": _check_texts, **options}
    for key, item in value.items():
        if key in known:
            yield from known[key](item, f"{where}.{key}")
        else:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            yield where, f"{shown(key)} is not a key of it ({hint})"
    if "packages" not in value:
        yield where, "has no packages"


def _check_texts(value: Any, where: str) -> Iterator[Problem]:
    if isinstance(value, str):
        yield where, f"must be a list of texts, not the one text {shown(value)}"
    elif not isinstance(value, list | tuple) or not all(
        isinstance(item, str) and item.strip() for item in value
    ):
        yield where, f"must be a list of texts, not {shown(value)}"


def _check_text(value: Any, where: str) -> Iterator[Problem]:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        yield where, f"must be a text, not {shown(value)}"


def _check_flag(value: Any, where: str) -> Iterator[Problem]:
    if not isinstance(value, bool):
        yield where, f"must be true or false, not {shown(value)}"


def _check_pip(value: Any, where: str) -> Iterator[Problem]:
    options = {
        "pip_check": _check_flag,
        "pip_version": _check_text,
        "pip_install_options": _check_texts,
    }
    return _check_packages(value, where, options)


def _check_uv(value: Any, where: str) -> Iterator[Problem]:
    options = {
        "uv_check": _check_flag,
        "uv_version": _check_text,
        "uv_pip_install_options": _check_texts,
    }
    return _check_packages(value, where, options)


def _check_conda(value: Any, where: str) -> Iterator[Problem]:
    wanted = "must be the name of an environment, or the contents of an environment file"
    is_name = isinstance(value, str) and value.strip() and not value.endswith((".yml", ".yaml"))
    if not is_name and not isinstance(value, Mapping):
        yield where, f"{wanted}, not {shown(value)}"


def _check_config(value: Any, where: str) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield where, f"must be a mapping, not {shown(value)}"
        return
    for key, item in value.items():
        if key == "setup_timeout_seconds":
            if isinstance(item, bool) or not isinstance(item, int) or (item < 1 and item != -1):
                yield f"{where}.{key}", f"must be a whole number of seconds, not {shown(item)}"
        elif key == "eager_install":
            yield from _check_flag(item, f"{where}.{key}")
        else:
            yield (
                where,
                f"{shown(key)} is not a key of it (known are setup_timeout_seconds, eager_install)",
            )


def _check_nsight(value: Any, where: str) -> Iterator[Problem]:
    if isinstance(value, Mapping):
        if not all(isinstance(one, str) for item in value.items() for one in item):
            yield where, "must be a mapping of texts to texts"
    elif value != "default":
        yield where, f'must be "default" or a mapping of options, not {shown(value)}'


def shown(value: Any) -> str:
    """A value for people, on one line."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


_CHECKS: Final[Mapping[str, Check]] = {
    "env_vars": _check_variables,
    "pip": _check_pip,
    "uv": _check_uv,
    "conda": _check_conda,
    "image_uri": _check_text,
    "config": _check_config,
    "nsight": _check_nsight,
}
_EXCLUSIVE: Final = (("pip", "uv"), ("pip", "conda"), ("uv", "conda"))
_REFUSED: Final[Mapping[str, str]] = {
    "working_dir": "every stage has a working directory of its own",
    "py_modules": "code comes as plugins, or as packages with pip or uv",
    "excludes": "it belongs to working_dir, which is not allowed either",
    "container": "use image_uri",
    "py_executable": "Ray waits for ever for one that does not start; use pip, uv or image_uri",
    "java_jars": "stages are Python",
    "worker_process_setup_hook": "Ray allows it for a whole cluster connection only",
}
