import ast

import pytest

from dioptra_ray.plugins.annotations import Definition, define, split_tuple


@pytest.mark.parametrize(
    ("hint", "meaning"),
    [
        ("int", "integer"),
        ("float", "number"),
        ("None", "null"),
        ("Any", "any"),
        ("typing.Any", "any"),
        ("np.ndarray", "np.ndarray"),
        ("np.ndarray[int]", "np.ndarray"),
        ("'int'", "integer"),
        ("'!!!'", "any"),
        ("''", "any"),
        ("f()", "any"),
        ("list", {"list": "any"}),
        ("list[int]", {"list": "integer"}),
        ("Sequence['int']", {"list": "integer"}),
        ("tuple[int, ...]", {"list": "integer"}),
        ("tuple[int, str]", {"tuple": ["integer", "string"]}),
        ("tuple", "any"),
        ("dict[str, list[float]]", {"mapping": ["string", {"list": "number"}]}),
        ("dict[Key, int]", "any"),
        ("int | None", {"union": ["integer", "null"]}),
        ("Optional[X]", {"union": ["X", "null"]}),
        ("Union[int, Union[str, int]]", {"union": ["integer", "string"]}),
        ("int | int", "integer"),
        ("int | Any", "any"),
        ("Annotated[int, 'metres']", "integer"),
        ("Literal['a', 'b']", "string"),
        ("Literal['a', 1]", {"union": ["string", "integer"]}),
        ("Literal[Color.RED]", "any"),
    ],
)
def test_hints_mean_types(hint: str, meaning: Definition) -> None:
    assert define(ast.parse(hint, mode="eval").body, lambda name: name) == meaning


@pytest.mark.parametrize(
    ("hint", "members"),
    [
        ("tuple[int, str]", ("int", "str")),
        ("typing.Tuple[np.ndarray, dict[str, int]]", ("np.ndarray", "dict[str, int]")),
        ("'tuple[int, \"str\"]'", ("int", "'str'")),
        ("Annotated[tuple[int, float], 'a point']", ("int", "float")),
        ("tuple[int]", ("tuple[int]",)),
        ("tuple[int, ...]", ("tuple[int, ...]",)),
        ("list[int]", ("list[int]",)),
        ("tuple", ("tuple",)),
        ("not python (", ("not python (",)),
    ],
)
def test_the_members_of_a_tuple_hint(hint, members):
    assert split_tuple(hint) == members
