import itertools
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dioptra_controller.sweeps.space import Dimension, Grid, PointList, Space, read_space

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)
)
NAMES = st.text(min_size=1, max_size=4)
GRIDS = st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=4), min_size=1, max_size=4)
POINTS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=10)


def grid(dimensions: dict[str, list[Any]]) -> Grid:
    return Grid(tuple(Dimension(parameter=name, values=tuple(v)) for name, v in dimensions.items()))


@given(GRIDS)
def test_the_points_of_a_grid_are_the_product_of_its_dimensions(
    dimensions: dict[str, list[Any]],
) -> None:
    space = grid(dimensions)
    product = [
        dict(zip(dimensions, combination, strict=True))
        for combination in itertools.product(*dimensions.values())
    ]
    assert [space.point(index) for index in range(space.size)] == product


@given(st.one_of(GRIDS.map(grid), POINTS.map(lambda points: PointList(tuple(points)))))
def test_a_written_space_has_the_same_points(space: Space) -> None:
    again = read_space(space.to_json())
    assert again == space
    # Equal is not enough: 1, 1.0 and True are.
    assert json.loads(again.to_json()) == json.loads(space.to_json())
    assert again.to_json() == space.to_json()
