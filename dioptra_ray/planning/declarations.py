"""What a task or a step says about how it may run; saying nothing is the normal case.

Declarations come from four places and are merged field by field, weakest first: the
queue's defaults, `@pyplugs.register(...)`, the task's entry in `dioptra.toml`, and the
entrypoint's `execution` section. All of them are read here, so that a text such as "2h"
means the same everywhere.
"""

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from dioptra_ray.errors import InvalidRequestError

Pairs = tuple[tuple[str, Any], ...]

_MEMORY_UNITS = {
    "": 1,
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
    **{letter: 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}i": 1024**power for power, letter in enumerate("kmgt", 1)},
}
_TIME_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([a-z]*)", re.IGNORECASE)
_TIME_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|h|d)", re.IGNORECASE)
_BARE_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_OWN_FIELDS = {"cpu": "num_cpus", "gpu": "num_gpus", "memory": "memory"}
_MAPPINGS = ("labels", "resources")
_MOST_RETRIES = 1000
_CLASS_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What a task or step says; None means that it says nothing about it.

    Attributes:
        num_cpus: Logical CPUs; may be a fraction.
        num_gpus: Logical GPUs; a fraction below 1, or a whole number.
        memory: Bytes of heap memory.
        labels: Labels that its node must have, sorted by key.
        resources: Custom Ray resources by name, sorted.
        parallel: Whether it shares nothing but values with other steps.
        pure: Whether equal inputs give equal outputs, without side effects.
        readonly: Whether it never changes the values that it is given.
        retries: How often it may be run again after a failure.
        retry_on: What it may be run again after: names of exception classes, with or without
            their modules, or reasons of failures; none for anything.
        retry_delay: Seconds before it is run again the first time, doubled each time.
        timeout: Seconds after which it is stopped.
    """

    num_cpus: float | None = None
    num_gpus: float | None = None
    memory: int | None = None
    labels: tuple[tuple[str, str], ...] | None = None
    resources: tuple[tuple[str, float], ...] | None = None
    parallel: bool | None = None
    pure: bool | None = None
    readonly: bool | None = None
    retries: int | None = None
    retry_on: tuple[str, ...] | None = None
    retry_delay: float | None = None
    timeout: float | None = None

    def merged_over(self, weaker: "Declaration") -> "Declaration":
        """This declaration, completed by what only `weaker` says.

        Labels and custom resources are merged by name.
        """
        values: dict[str, Any] = {}
        for name in FIELDS:
            own, other = getattr(self, name), getattr(weaker, name)
            if name in _MAPPINGS and own is not None and other is not None:
                values[name] = tuple(sorted({**dict(other), **dict(own)}.items()))
            else:
                values[name] = other if own is None else own
        return Declaration(**values)

    @property
    def asks_for_resources(self) -> bool:
        """Whether it names anything that a node must have."""
        asked = (self.num_cpus, self.num_gpus, self.memory, self.labels, self.resources)
        return any(value is not None for value in asked)

    def to_mapping(self) -> dict[str, Any]:
        """What it says, as `read_declaration` reads it."""
        said = {name: getattr(self, name) for name in FIELDS}
        return {
            name: dict(value) if name in _MAPPINGS else _listed(value)
            for name, value in said.items()
            if value is not None
        }


FIELDS = tuple(field.name for field in fields(Declaration))
NOTHING = Declaration()


def read_declaration(mapping: Mapping[str, Any]) -> Declaration:
    """Read a declaration as users write it.

    Memory may be a number of bytes or a text such as "4GiB"; a timeout a number of
    seconds or a text such as "2h" or "1h30m". A value of None says nothing.

    Raises:
        InvalidRequestError: Something in it is wrong; the message lists everything.
    """
    if not isinstance(mapping, Mapping):
        raise InvalidRequestError(
            f"A declaration must be a mapping of settings, not {_shown(mapping)}."
        )
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in mapping.items():
        if name not in _READERS:
            problems.append(_unknown(name))
        elif value is not None:
            try:
                values[name] = _READERS[name](value)
            except ValueError as error:
                problems.append(f"{name} must be {error}, not {_shown(value)}")
    if problems:
        raise InvalidRequestError("; ".join(problems) + ".", fields=",".join(map(str, mapping)))
    return Declaration(**values)


def read_setting(name: str, value: Any) -> Any:
    """Read one setting of a declaration.

    Raises:
        ValueError: The value is none; the message says what it must be.
        KeyError: There is no such setting.
    """
    return _READERS[name](value)


def read_memory(value: Any) -> int:
    """Bytes, from a number or a text such as "4GiB" or "500 MB"."""
    wanted = 'a number of bytes or a text such as "4GiB"'
    if isinstance(value, str):
        match = _MEMORY.fullmatch(value.strip())
        if match is None or match[2].lower() not in _MEMORY_UNITS:
            raise ValueError(wanted)
        return int(float(match[1]) * _MEMORY_UNITS[match[2].lower()])
    return int(_number(value, wanted))


def read_duration(value: Any) -> float:
    """Seconds, from a number or a text such as "90", "2h" or "1h30m"."""
    wanted = 'a positive number of seconds or a text such as "2h" or "1h30m"'
    text = isinstance(value, str)
    seconds = _duration_text(value.strip()) if text else _number(value, wanted)
    if seconds is None or seconds <= 0:
        raise ValueError(wanted)
    return seconds


def _duration_text(text: str) -> float | None:
    if _BARE_NUMBER.fullmatch(text):
        return float(text)
    parts = list(_TIME_PART.finditer(text))
    covered = "".join(part[0] for part in parts)
    if not parts or covered.replace(" ", "") != text.replace(" ", ""):
        return None
    return sum(float(part[1]) * _TIME_UNITS[part[2].lower()] for part in parts)


def _number(value: Any, wanted: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(wanted)  # noqa: TRY004 - one kind of problem for the caller
    if not math.isfinite(value) or value < 0:
        raise ValueError(wanted)
    return float(value)


def _read_cpus(value: Any) -> float:
    return _number(value, "a number that is not negative")


def _read_gpus(value: Any) -> float:
    wanted = "a fraction below 1, or a whole number that is not negative"
    number = _number(value, wanted)
    if number > 1 and not number.is_integer():
        raise ValueError(wanted)
    return number


def _read_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - as above
    return value


def _read_retries(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_RETRIES:
        raise ValueError(f"a whole number from 0 to {_MOST_RETRIES}")
    return value


def _read_retry_on(value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(map(_is_class_name, names)):
        raise ValueError('a list of names of exceptions such as "ConnectionError"')
    return tuple(sorted(set(names)))


def _is_class_name(value: Any) -> bool:
    """Whether it could name a class, with or without its module."""
    return isinstance(value, str) and _CLASS_NAME.fullmatch(value) is not None


def _read_delay(value: Any) -> float:
    wanted = 'a number of seconds that is not negative, or a text such as "5s"'
    text = isinstance(value, str)
    seconds = _duration_text(value.strip()) if text else _number(value, wanted)
    if seconds is None:
        raise ValueError(wanted)
    return seconds


def _read_labels(value: Any) -> tuple[tuple[str, str], ...]:
    wanted = "a mapping of label names to texts"
    if not isinstance(value, Mapping):
        raise ValueError(wanted)  # noqa: TRY004 - as above
    for key, label in value.items():
        if not isinstance(key, str) or not key or not isinstance(label, str):
            raise ValueError(wanted)
    return tuple(sorted(value.items()))


def _read_resources(value: Any) -> tuple[tuple[str, float], ...]:
    wanted = "a mapping of custom resource names to positive numbers"
    if not isinstance(value, Mapping):
        raise ValueError(wanted)  # noqa: TRY004 - as above
    read = []
    for key, amount in value.items():
        if not isinstance(key, str) or not key or _number(amount, wanted) == 0:
            raise ValueError(wanted)
        if key.lower() in _OWN_FIELDS:
            raise ValueError(f"{wanted} ({key} has its own setting, {_OWN_FIELDS[key.lower()]})")
        read.append((key, float(amount)))
    return tuple(sorted(read))


_READERS: dict[str, Callable[[Any], Any]] = {
    "num_cpus": _read_cpus,
    "num_gpus": _read_gpus,
    "memory": read_memory,
    "labels": _read_labels,
    "resources": _read_resources,
    "parallel": _read_flag,
    "pure": _read_flag,
    "readonly": _read_flag,
    "retries": _read_retries,
    "retry_on": _read_retry_on,
    "retry_delay": _read_delay,
    "timeout": read_duration,
}


def _unknown(name: Any) -> str:
    close = difflib.get_close_matches(str(name), FIELDS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(FIELDS)}"
    return f"{name!r} is not a setting of a task ({hint})"


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - fits one line
