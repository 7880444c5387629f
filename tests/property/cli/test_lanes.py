"""A drawing says all edges of its graph, and no others."""

from hypothesis import given
from hypothesis import strategies as st

from dioptra_ray.cli.lanes import NODE, draw

KEEPS, ENDS = "├┤┼│", "╯╰┴"


@st.composite
def graphs(make: st.DrawFn) -> dict[str, list[str]]:
    """Steps in an order of execution, each with those that it follows."""
    count = make(st.integers(0, 12))
    names = [f"s{number}" for number in range(count)]
    return {
        name: make(st.lists(st.sampled_from(names[:number]), unique=True)) if number else []
        for number, name in enumerate(names)
    }


def read(rows: list[str], names: list[str]) -> dict[str, set[str]]:
    """The edges that a person reads from a drawing."""
    edges: dict[str, set[str]] = {}
    owners: dict[int, str] = {}
    above = ""
    for name, row in zip(names, rows, strict=True):
        found = set()
        for column in range(0, len(row), 2):
            cell = row[column]
            if cell in "├┤┼╯╰┴":
                found.add(owners[column])
            if cell == NODE:
                if column < len(above) and above[column] in NODE + KEEPS:
                    found.add(owners[column])
                owners[column] = name
            elif cell not in KEEPS:
                owners.pop(column, None)
        edges[name] = found
        above = row
    return edges


@given(graphs())
def test_the_edges_can_be_read_back(graph: dict[str, list[str]]) -> None:
    rows = draw(graph)
    assert len({len(row) for row in rows}) <= 1
    assert all(row.count(NODE) == 1 for row in rows)
    assert read(rows, list(graph)) == {name: set(names) for name, names in graph.items()}


def test_a_diamond() -> None:
    graph = {"a": [], "b": ["a"], "c": ["a"], "d": ["a"], "e": ["b", "c", "d"]}
    assert [row.rstrip() for row in draw(graph)] == [
        "●",
        "├─●",
        "├─│─●",
        "● │ │",
        "●─┴─╯",
    ]


def test_a_chain_stays_in_its_lane_and_strangers_do_not() -> None:
    assert [row.rstrip() for row in draw({"a": [], "b": ["a"], "c": [], "d": []})] == [
        "●",
        "●",
        "  ●",
        "●",
    ]
