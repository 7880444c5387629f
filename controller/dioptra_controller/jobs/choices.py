"""Choices of a job: an alias for each swap of its entrypoint, and what is wrong with them."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from dioptra_controller.jobs.parameters import issue
from dioptra_ray.language.issues import Issue
from dioptra_ray.language.suggestions import did_you_mean

Swaps = Mapping[str, tuple[str, ...]]
"""The aliases of each swap of an entrypoint."""


def check_choices(
    swaps: Swaps, given: Mapping[str, str], *, varied: Collection[str] = ()
) -> list[Issue]:
    """Everything that is wrong with choices.

    Args:
        swaps: What may be chosen.
        given: The chosen aliases, by swap.
        varied: Swaps whose alternatives are chosen elsewhere.
    """
    return [*_check_needed(swaps, given, varied), *_check_unused(swaps, [*given, *varied])]


def misfit(swaps: Swaps, name: str, alias: Any) -> str | None:
    """What is wrong with an alias for a swap that exists; None when nothing is."""
    if isinstance(alias, str) and str(alias) in swaps[name]:
        return None
    hint = did_you_mean(alias, swaps[name])
    return f"swap {name!r} has no alternative {alias!r}; it has: {_list(swaps[name])}.{hint}"


def _check_needed(
    swaps: Swaps, given: Mapping[str, str], varied: Collection[str]
) -> Iterator[Issue]:
    for name, aliases in swaps.items():
        if name in varied:
            if name in given:
                text = f"swap {name!r} both varies and is given; leave one out"
                yield issue("swap.twice", text, name, "swaps")
        elif name not in given:
            text = f"swap {name!r} needs a choice: {_list(aliases)}"
            yield issue("swap.missing_choice", text, name, "swaps")
        elif (problem := misfit(swaps, name, given[name])) is not None:
            yield issue("swap.unknown_choice", problem, name, "swaps")


def _check_unused(swaps: Swaps, names: Collection[str]) -> Iterator[Issue]:
    for name in names:
        if name not in swaps:
            hint = did_you_mean(name, swaps)
            text = f"the entrypoint has no swap {name!r}; it has: {_list(swaps)}.{hint}"
            yield issue("swap.unused_choice", text, name, "swaps")


def _list(names: Collection[str]) -> str:
    return ", ".join(names) or "none"
