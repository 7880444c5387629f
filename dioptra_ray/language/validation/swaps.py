"""Swaps: steps that leave open which of several invocations they are."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dioptra_ray.language.alternatives import OUTPUTS, aliases_of, is_swap_key, swap_key
from dioptra_ray.language.paths import Path
from dioptra_ray.language.validation.findings import Finding, kind_of, listing, show
from dioptra_ray.language.validation.scope import Scope

CheckStep = Callable[[Any, Path], Iterator[Finding]]


def check_swaps(graph: Mapping[Any, Any], check_step: CheckStep) -> Iterator[Finding]:
    """The shape of every step with a swap; `check_step` looks at each alternative."""
    places: dict[str, Any] = {}
    for step, definition in graph.items():
        if swap_key(definition) is None:
            continue
        for key in filter(is_swap_key, definition):
            if key in places and places[key] != step:
                yield Finding(
                    code="swap.duplicate_name",
                    message=(
                        f"The swap {show(key)} of step {show(step)} is also in step "
                        f"{show(places[key])}; a choice could not say which is meant."
                    ),
                    path=("graph", step, key),
                    at_key=True,
                )
            places.setdefault(key, step)
        yield from _check_step(step, definition, check_step)


def outputs_match(scope: Scope) -> Iterator[Finding]:
    """The task of every alternative has as many outputs as `?outputs` names."""
    for call in scope.known_calls:
        if call.outputs is None:
            continue
        given, named = len(scope.tasks[call.task].outputs), len(call.outputs)
        if given != named:
            yield Finding(
                code="swap.output_count",
                message=(
                    f"In step {call.shown}, `{OUTPUTS}` names {named} "
                    f"output{'s' * (named != 1)}, but task {show(call.task)} has {given}."
                ),
                path=call.path,
                at_key=True,
            )


def _check_step(
    step: Any, definition: Mapping[Any, Any], check_step: CheckStep
) -> Iterator[Finding]:
    path: Path = ("graph", step)
    keys = [key for key in definition if is_swap_key(key)]
    if len(keys) > 1:
        yield Finding(
            code="swap.several",
            message=f"Step {show(step)} has several swaps: {listing(keys)}; a step has one.",
            path=(*path, keys[1]),
            at_key=True,
        )
    others = [key for key in definition if not is_swap_key(key) and key != "dependencies"]
    if others:
        yield Finding(
            code="swap.other_key",
            message=(
                f"Step {show(step)} has a swap and {listing(others)}; beside a swap only "
                "`dependencies` may stand."
            ),
            path=(*path, others[0]),
            at_key=True,
        )
    if "dependencies" in definition:
        yield from check_step({"task": "any", "dependencies": definition["dependencies"]}, path)
    for key in keys:
        yield from _check_swap(step, key, definition[key], check_step)


def _check_swap(step: Any, key: str, swap: Any, check_step: CheckStep) -> Iterator[Finding]:
    path: Path = ("graph", step, key)
    if not key[1:].strip():
        yield _malformed(
            "swap.bad_name", f"A swap of step {show(step)} has no name.", path, key=True
        )
    if not isinstance(swap, Mapping) or not aliases_of(swap):
        what = "is empty" if isinstance(swap, Mapping) else f"is {kind_of(swap)}"
        message = (
            f"The swap {show(key)} {what}; it is a mapping with one invocation for each "
            "alternative."
        )
        yield _malformed("swap.no_alternatives", message, path)
        return
    if OUTPUTS in swap:
        yield from _check_outputs(key, swap[OUTPUTS], (*path, OUTPUTS))
    for alias in aliases_of(swap):
        place = (*path, alias)
        if not isinstance(alias, str) or not alias.strip() or is_swap_key(alias):
            message = (
                f"An alternative of swap {show(key)} is called {show(alias)}; names of "
                "alternatives are text that is not blank and does not begin with ?."
            )
            yield _malformed("swap.bad_name", message, place, key=True)
        if swap_key(swap[alias]) is not None:
            message = f"Alternative {show(alias)} of swap {show(key)} is itself a swap."
            yield _malformed("swap.nested", message, place)
        else:
            yield from check_step(swap[alias], place)


def _check_outputs(key: str, names: Any, path: Path) -> Iterator[Finding]:
    is_list = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    if not is_list or len(set(names)) != len(names):
        message = f"`{OUTPUTS}` of swap {show(key)} must be a list of different names."
        yield _malformed("swap.bad_outputs", message, path)


def _malformed(code: str, message: str, path: Path, *, key: bool = False) -> Finding:
    return Finding(code=code, message=message, path=path, at_key=key)
