"""Parameter spaces: which parameters vary, and what they are at each trial.

A space is never expanded: the point of a trial is computed from its index.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One parameter of a grid and its values, in order."""

    parameter: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination of the dimensions' values; the last dimension varies fastest."""

    dimensions: tuple[Dimension, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that vary."""
        return tuple(dimension.parameter for dimension in self.dimensions)

    @property
    def size(self) -> int:
        """How many points there are."""
        return math.prod(len(dimension.values) for dimension in self.dimensions)

    def point(self, index: int) -> dict[str, Any]:
        """The parameters at an index from 0: its digits in the mixed radix of the lengths."""
        _check(index, self.size)
        chosen: dict[str, Any] = {}
        for dimension in reversed(self.dimensions):
            index, digit = divmod(index, len(dimension.values))
            chosen[dimension.parameter] = dimension.values[digit]
        return {name: chosen[name] for name in self.names}

    def to_json(self) -> str:
        """As JSON; see `read_space`."""
        content = [[dimension.parameter, dimension.values] for dimension in self.dimensions]
        return json.dumps({"grid": content}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class PointList:
    """Points as they were given."""

    points: tuple[Mapping[str, Any], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that any point has, in order of their first mention."""
        return tuple(dict.fromkeys(name for point in self.points for name in point))

    @property
    def size(self) -> int:
        """How many points there are."""
        return len(self.points)

    def point(self, index: int) -> dict[str, Any]:
        """The parameters at an index from 0."""
        _check(index, self.size)
        return dict(self.points[index])

    def to_json(self) -> str:
        """As JSON; see `read_space`."""
        return json.dumps({"points": list(map(dict, self.points))}, separators=(",", ":"))


Space = Grid | PointList


def read_space(text: str) -> Space:
    """Read what `to_json` wrote."""
    data = json.loads(text)
    if "grid" in data:
        return Grid(
            tuple(Dimension(parameter=name, values=tuple(values)) for name, values in data["grid"])
        )
    return PointList(tuple(data["points"]))


def _check(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise IndexError(f"trial {index} of {size}")
