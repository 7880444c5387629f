"""The `execution` section, our one extra key (ARCHITECTURE section 5)."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dioptra_ray.language.suggestions import Suggestions
from dioptra_ray.language.validation.findings import Finding, kind_of, listing, show

_Check = tuple[Callable[[Any], bool], str]

_MAX_AMOUNT = 1e9
_MAX_COUNT = 1_000_000
_MEMORY = re.compile(r"\d+(\.\d+)?\s*([kKMGT]i?)?B?")
_CLASS_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_DURATION = re.compile(r"\d+(\.\d+)?\s*(ms|s|m|h|d)?")


def execution_is_well_formed(description: Mapping[str, Any]) -> Iterator[Finding]:
    """How the steps are to be run is said with known keys, of known steps, with fitting values."""
    if "execution" not in description:
        return
    section = description["execution"]
    if not isinstance(section, Mapping):
        yield _not_a_mapping("`execution`", section, ("execution",))
        return
    suggest = Suggestions()
    yield from _unknown_keys("`execution`", section, _TOP_LEVEL, ("execution",), suggest)
    for key in ("parallel", "isolation"):
        if key in section:
            yield from _check_value("`execution`", key, section[key], _TOP_LEVEL, ("execution",))
    if "steps" in section:
        yield from _check_steps(section["steps"], description.get("graph"), suggest)


def _check_steps(steps: Any, graph: Any, suggest: Suggestions) -> Iterator[Finding]:
    path = ("execution", "steps")
    if not isinstance(steps, Mapping):
        yield _not_a_mapping("`execution.steps`", steps, path)
        return
    for step, needs in steps.items():
        place = (*path, step)
        if isinstance(graph, Mapping) and step not in graph:
            yield Finding(
                code="execution.unknown_step",
                message=f"`execution` speaks of step {show(step)}, which is not in the graph."
                f"{suggest(step, graph)}",
                path=place,
                at_key=True,
            )
        what = f"`execution` of step {show(step)}"
        if not isinstance(needs, Mapping):
            yield _not_a_mapping(what, needs, place)
            continue
        yield from _unknown_keys(what, needs, _STEP, place, suggest)
        for key, value in needs.items():
            if key in _STEP:
                yield from _check_value(what, key, value, _STEP, place)


def _check_value(
    what: str, key: str, value: Any, checks: Mapping[str, _Check], path: tuple[Any, ...]
) -> Iterator[Finding]:
    is_good, wanted = checks[key]
    if not is_good(value):
        yield Finding(
            code="execution.bad_value",
            message=f"{what}: `{key}` must be {wanted}, not {show(value)}.",
            path=(*path, key),
        )


def _unknown_keys(
    what: str,
    section: Mapping[Any, Any],
    known: Mapping[str, _Check],
    path: tuple[Any, ...],
    suggest: Suggestions,
) -> Iterator[Finding]:
    for key in section:
        if key not in known:
            hint = suggest(key, known) or f" It may have {listing(known, limit=12)}."
            yield Finding(
                code="execution.unknown_key",
                message=f"{what} has an unknown key, {show(key)}.{hint}",
                path=(*path, key),
                at_key=True,
            )


def _not_a_mapping(what: str, value: Any, path: tuple[Any, ...]) -> Finding:
    return Finding(
        code="execution.not_a_mapping",
        message=f"{what} must be a mapping, not {kind_of(value)}.",
        path=path,
    )


def _is_amount(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MAX_AMOUNT
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT


def _is_memory(value: Any) -> bool:
    if isinstance(value, str):
        return _MEMORY.fullmatch(value.strip()) is not None
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_timeout(value: Any) -> bool:
    if isinstance(value, str):
        return _DURATION.fullmatch(value.strip()) is not None
    return _is_amount(value) and value > 0


def _is_delay(value: Any) -> bool:
    return _is_timeout(value) or (_is_amount(value) and value == 0)


def _is_retry_on(value: Any) -> bool:
    names = [value] if isinstance(value, str) else value
    return isinstance(names, list) and all(
        isinstance(name, str) and _CLASS_NAME.fullmatch(name) for name in names
    )


def _is_labels(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(key, str) and isinstance(label, str) for key, label in value.items()
    )


def _is_resources(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(key, str) and _is_amount(amount) for key, amount in value.items()
    )


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


_FLAG: _Check = (_is_flag, "true or false")
_TOP_LEVEL: Mapping[str, _Check] = {
    "parallel": _FLAG,
    "isolation": (lambda value: value == "process", '"process"'),
    "steps": (lambda _: True, "a mapping"),
}
_STEP: Mapping[str, _Check] = {
    "num_cpus": (_is_amount, "a number from 0"),
    "num_gpus": (_is_amount, "a number from 0"),
    "memory": (_is_memory, "bytes, or text such as 4GiB"),
    "labels": (_is_labels, "a mapping of text to text"),
    "resources": (_is_resources, "a mapping of text to numbers"),
    "parallel": _FLAG,
    "pure": _FLAG,
    "readonly": _FLAG,
    "retries": (_is_count, "a whole number from 0"),
    "retry_on": (_is_retry_on, 'a list of names of exceptions such as "ConnectionError"'),
    "retry_delay": (_is_delay, "seconds, or text such as 500ms, 5s, 1m"),
    "timeout": (_is_timeout, "seconds, or text such as 90s, 30m, 2h"),
}
