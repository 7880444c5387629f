"""Variants: which alternatives the trials of a sweep choose, and the plan of each combination.

All are compiled when the sweep is created. So a combination that cannot be planned is refused
then, and making a trial only looks its plan up, also after a restart or an upgrade.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final

import sqlalchemy as sa

from dioptra_controller.database.job_tables import SWEEPS
from dioptra_controller.sweeps.space import Grid, Space
from dioptra_ray.language.alternatives import is_swap_key

MAX_VARIANTS: Final = 1000
"""How many combinations of alternatives a sweep may have: each has a plan of its own."""

Choices = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Variants:
    """The plan of each trial, by its choices.

    Attributes:
        fixed: The choices that do not vary.
        plan_digest: The plan where none varies.
        varied: Plans by all choices of a trial; empty where none varies.
    """

    fixed: Choices
    plan_digest: str
    varied: Mapping[tuple[tuple[str, str], ...], str] = field(default_factory=dict)

    def find(self, point: Mapping[str, Any]) -> tuple[Choices, str]:
        """The choices and the plan of the trial at a point of the space."""
        choices = {**self.fixed, **choices_of(point)}
        if not self.varied:
            return choices, self.plan_digest
        return choices, self.varied[_key(choices)]


def varied_swaps(space: Space) -> list[str]:
    """The swaps that vary, by their names without `?`."""
    return [name[1:] for name in space.names if is_swap_key(name)]


def choices_of(point: Mapping[str, Any]) -> dict[str, str]:
    """What a point of a space chooses."""
    return {name[1:]: alias for name, alias in point.items() if is_swap_key(name)}


def parameters_of(point: Mapping[str, Any]) -> dict[str, Any]:
    """What a point of a space gives to parameters."""
    return {name: value for name, value in point.items() if not is_swap_key(name)}


def count_combinations(space: Space) -> int:
    """How many different choices the trials of a space make."""
    if isinstance(space, Grid):
        return math.prod(len(set(aliases)) for _, aliases in _dimensions(space))
    return len({_key(choices_of(point)) for point in space.points})


def combinations(space: Space) -> Iterator[Choices]:
    """The different choices that the trials of a space make, in the order of the trials."""
    if isinstance(space, Grid):
        names, aliases = zip(*_dimensions(space), strict=True) if varied_swaps(space) else ((), ())
        for chosen in product(*map(dict.fromkeys, aliases)):
            yield dict(zip(names, chosen, strict=True))
        return
    found: dict[tuple[tuple[str, str], ...], Choices] = {}
    for choices in map(choices_of, space.points):
        found.setdefault(_key(choices), choices)
    yield from found.values()


def write_variants(plans: list[tuple[Choices, str]]) -> str:
    """All choices of trials and their plans, as JSON; see `load_variants`."""
    return json.dumps(plans, separators=(",", ":"))


def load_variants(connection: sa.Connection, sweep_id: int) -> Variants:
    """The variants of a sweep that exists."""
    query = sa.select(SWEEPS.c.swaps, SWEEPS.c.plan_digest, SWEEPS.c.variants)
    row = connection.execute(query.where(SWEEPS.c.id == sweep_id)).one()
    plans = json.loads(row.variants) if row.variants else ()
    varied = {_key(choices): digest for choices, digest in plans}
    return Variants(json.loads(row.swaps), row.plan_digest, varied)


def _dimensions(space: Grid) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (dimension.parameter[1:], dimension.values)
        for dimension in space.dimensions
        if is_swap_key(dimension.parameter)
    ]


def _key(choices: Choices) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(choices.items()))
