"""What may stand behind --param."""

import click
import pytest

from dioptra_ray.cli.space import parse_space


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("eps=0,0.1,0.2", ["0", "0.1", "0.2"]),
        ("eps=0:0.3:0.05", ["0", "0.05", "0.1", "0.15", "0.2", "0.25", "0.3"]),
        ("n=1:10:4", ["1", "5", "9"]),
        ("n=10:30:10", ["10", "20", "30"]),
        ("n=3:1:-1", ["3", "2", "1"]),
        ("n=0:1:1,10", ["0", "1", "10"]),
        ("e=1e-3:3e-3:1e-3", ["0.001", "0.002", "0.003"]),
        ("url=http://a:80:b", ["http://a:80:b"]),
        ("x=[1,2],[3,4]", ["[1,2]", "[3,4]"]),
        ('x={"a": 1, "b": "}"},{}', ['{"a": 1, "b": "}"}', "{}"]),
        ('x=["a,]"],b', ['["a,]"]', "b"]),
        ("s=a=b,", ["a=b", ""]),
        ("x=1", ["1"]),
    ],
)
def test_values(text, values) -> None:
    (found,) = parse_space([text]).values()
    assert found == values


def test_the_order_of_dimensions_is_kept() -> None:
    assert list(parse_space(["b=1,2", "a=1"])) == ["b", "a"]


@pytest.mark.parametrize(
    "texts",
    [["eps"], ["=1"], ["eps="], ["a=1", "a=2"], ["a=0:1:0"], ["a=0:1:-1"], ["a=0:1e9:1e-3"]],
)
def test_what_is_no_dimension_is_refused(texts) -> None:
    with pytest.raises(click.BadParameter):
        parse_space(texts)
