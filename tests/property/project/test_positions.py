"""Every value that tomllib reads has a place, and the place is where it was written."""

import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dioptra_ray.project.positions import Path, locate

names = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=6)
scalars = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.booleans().map(lambda value: str(value).lower()),
    st.sampled_from(["1979-05-27", "07:32:00", "1979-05-27 07:32:00Z", "0xff", "inf", "-1e9"]),
    names.map(lambda text: '"' + _escape(text) + '"'),
    names.map(lambda text: "'" + text.replace("'", "") + "'"),
    names.map(lambda text: '"""\n' + _escape(text) + '\n"""'),
    names.map(lambda text: "'''\n" + text.replace("'", "") + "\n'''"),
)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _key(name: str) -> str:
    return '"' + _escape(name) + '"'


def _inline(pairs: dict[str, str]) -> str:
    return "{ " + ", ".join(f"{_key(name)} = {value}" for name, value in pairs.items()) + " }"


values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: "[\n" + " , # ]\n".join(items) + "\n]"),
        st.dictionaries(names, inner, max_size=3).map(_inline),
    ),
    max_leaves=8,
)
tables = st.dictionaries(names, values, max_size=4).map(
    lambda pairs: "".join(f"  {_key(name)} = {value} # x = 1\n" for name, value in pairs.items())
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    text = draw(tables.filter(lambda body: "T" not in tomllib.loads(body)))
    for name in draw(st.lists(names, unique=True, max_size=3)):
        header = "T." + _key(name)
        if draw(st.booleans()):
            text += f"[{header}]\n" + draw(tables)
        else:
            for _ in range(draw(st.integers(1, 3))):
                text += f"[[ {header} ]]\n" + draw(tables)
    return text


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


@given(documents())
def test_every_value_has_its_place(text: str) -> None:
    data = tomllib.loads(text)
    positions = locate(text)
    lines = text.split("\n")
    assert set(_paths(data)) - {("T",)} <= set(positions)
    for path in _paths(data):
        if path == ("T",):
            continue
        line, column = positions[path]
        rest = lines[line - 1][column - 1 :]
        if isinstance(path[-1], str) and path[0] != "T":
            assert rest.startswith(_key(path[-1]))
        assert rest, (path, line, column)
