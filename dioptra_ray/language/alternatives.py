"""Reading swaps: steps that leave open which of several invocations they are.

    attack:
      ?kind:
        ?outputs: [images]
        fgm: {fgm_attack: [$images]}
        pgd: {pgd_attack: [$images]}
      dependencies: [seed]

The job chooses an alternative by its alias. Everything that reads graphs sees swaps through
this module, so that a step without a swap is one with a single, nameless alternative.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dioptra_ray.language.paths import Path

OUTPUTS = "?outputs"
"""The key, beside the aliases, of the names that all alternatives give to their outputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One invocation that a step may be.

    Attributes:
        swap: Name of the swap, without `?`; None for a plain step.
        alias: What the job chooses it by; None for a plain step.
        definition: The step as it is once the alternative is chosen.
        path: Place of the invocation below the step.
        outputs: What the outputs are called; None where the task says that.
    """

    swap: str | None = None
    alias: str | None = None
    definition: Mapping[Any, Any]
    path: Path = ()
    outputs: tuple[str, ...] | None = None


def is_swap_key(key: Any) -> bool:
    """Whether a key of a step begins a swap."""
    return isinstance(key, str) and key.startswith("?")


def swap_key(step: Any) -> str | None:
    """The key of a step's swap; None for a plain step."""
    if not isinstance(step, Mapping):
        return None
    return next((key for key in step if is_swap_key(key)), None)


def aliases_of(swap: Mapping[Any, Any]) -> tuple[str, ...]:
    """What the alternatives of a swap are chosen by."""
    return tuple(alias for alias in swap if alias != OUTPUTS)


def alternatives(step: Mapping[Any, Any]) -> Iterator[Alternative]:
    """All that a step may be; the step must be well-formed."""
    key = swap_key(step)
    if key is None:
        yield Alternative(definition=step)
        return
    swap = step[key]
    names = tuple(swap[OUTPUTS]) if OUTPUTS in swap else None
    for alias in aliases_of(swap):
        yield Alternative(
            swap=key[1:],
            alias=alias,
            definition=_with_dependencies(swap[alias], step.get("dependencies", [])),
            path=(key, alias),
            outputs=names,
        )


def _with_dependencies(invocation: Mapping[Any, Any], outer: Any) -> Mapping[Any, Any]:
    """An invocation that also waits for what its step waits for."""
    names = [*_names(outer), *_names(invocation.get("dependencies", []))]
    if not names:
        return invocation
    return {**invocation, "dependencies": list(dict.fromkeys(names))}


def _names(dependencies: Any) -> list[Any]:
    return [dependencies] if isinstance(dependencies, str) else list(dependencies)
