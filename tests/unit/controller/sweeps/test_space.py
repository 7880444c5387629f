import pytest

from dioptra_controller.sweeps.space import Dimension, Grid, PointList, read_space

GRID = Grid(
    (
        Dimension(parameter="attack", values=("fgsm", "pgd")),
        Dimension(parameter="eps", values=(0, 0.1, 0.2)),
    )
)
POINTS = PointList(({"a": 1}, {"b": [float("inf")], "a": None}))


def test_the_last_dimension_varies_fastest() -> None:
    assert GRID.size == 6
    assert GRID.names == ("attack", "eps")
    assert [tuple(GRID.point(index).values()) for index in range(6)] == [
        ("fgsm", 0),
        ("fgsm", 0.1),
        ("fgsm", 0.2),
        ("pgd", 0),
        ("pgd", 0.1),
        ("pgd", 0.2),
    ]


def test_points_come_as_they_were_given() -> None:
    assert POINTS.size == 2
    assert POINTS.names == ("a", "b")
    assert [POINTS.point(index) for index in range(2)] == list(POINTS.points)


def test_there_is_nothing_beyond_the_last_point() -> None:
    for space in (GRID, POINTS):
        for index in (-1, space.size):
            with pytest.raises(IndexError):
                space.point(index)


def test_spaces_survive_being_written() -> None:
    for space in (GRID, POINTS):
        assert read_space(space.to_json()) == space


def test_a_point_of_a_huge_grid_is_found_without_making_the_others() -> None:
    values = tuple(range(1000))
    huge = Grid(tuple(Dimension(parameter=name, values=values) for name in "abcd"))
    assert huge.point(123_456_789_012) == {"a": 123, "b": 456, "c": 789, "d": 12}
