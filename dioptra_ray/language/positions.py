"""Where in a text each part of a description was written."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dioptra_ray.language.paths import from_json_path

Position = tuple[int, int]


class Spot:
    """Where one value starts, and where its parts do.

    Attributes:
        position: Line and column, both from 1.
        parts: By key or index: where the key starts, and the value's spot.
    """

    __slots__ = ("parts", "position")

    def __init__(self, position: Position) -> None:
        self.position = position
        self.parts: dict[Any, tuple[Position, Spot]] = {}


Locate = Callable[[], Spot | None]


class PositionedMapping(dict[Any, Any]):
    """A description that knows where its parts were written.

    Attributes:
        file: Name of the file; None for a text without one.
    """

    __slots__ = ("_locate", "_spot", "file")

    def __init__(self, value: Mapping[Any, Any], *, locate: Locate, file: str | None) -> None:
        super().__init__(value)
        self.file = file
        self._locate: Locate | None = locate
        self._spot: Spot | None = None

    @property
    def spot(self) -> Spot | None:
        """Where everything was written; found when first asked for, which valid texts never are."""
        if self._locate is not None:
            self._spot = self._locate()
            self._locate = None
        return self._spot

    def __reduce__(self) -> tuple[type[dict[Any, Any]], tuple[dict[Any, Any]]]:
        """Copies and pickles are plain mappings: positions belong to the text at hand."""
        return (dict, (dict(self),))


def position_of(
    mapping: Mapping[Any, Any], path: str | tuple[Any, ...], *, key: bool = False
) -> Position | None:
    """Line and column of a place, from 1; None when `mapping` does not know.

    A place that does not exist, such as that of a missing key, has the position of the
    innermost part around it that does.

    Args:
        mapping: What `load` returned; any other mapping knows nothing.
        path: A JSON path, or the keys and indices themselves.
        key: Where the last key starts, not its value.
    """
    spot = mapping.spot if isinstance(mapping, PositionedMapping) else None
    if spot is None:
        return None
    if isinstance(path, str):
        path = from_json_path(path)
    position = spot.position
    for part, (start, inner) in _walk(spot, path):
        is_last = len(path) > 0 and part == len(path) - 1
        position = start if key and is_last else inner.position
    return position


def _walk(spot: Spot, path: tuple[Any, ...]) -> Iterator[tuple[int, tuple[Position, Spot]]]:
    for number, part in enumerate(path):
        try:
            found = spot.parts.get(part)
        except TypeError:  # unhashable, so not a key
            return
        if found is None:
            return
        yield number, found
        spot = found[1]
