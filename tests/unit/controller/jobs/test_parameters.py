import math
from typing import Any

import pytest

from dioptra_controller.jobs.parameters import (
    UnfitValueError,
    fit,
    read_parameters,
    resolve,
)
from dioptra_ray.wire.values import TextValue

DESCRIPTION: dict[str, Any] = {
    "types": {"sizes": {"list": "integer"}, "either": {"union": ["integer", "string"]}},
    "parameters": {
        "eps": {"type": "number"},
        "count": {"type": "integer", "default": 3},
        "name": "x",
        "sizes": {"type": "sizes", "default": [1]},
        "layers": {"default": [1, "a"]},
        "options": {"default": {"a": 1}},
        "nothing": None,
        "either": {"type": "either", "default": 1},
        "flag": False,
    },
}
KINDS = {
    "eps": "float",
    "count": "integer",
    "sizes": "list",
    "layers": "list",
    "options": "mapping",
    "flag": "boolean",
}
PARAMETERS = read_parameters(DESCRIPTION, KINDS)


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("eps", 1, 1),
        ("eps", 0.5, 0.5),
        ("eps", math.inf, math.inf),
        ("eps", TextValue("1"), 1.0),
        ("count", TextValue(" 7 "), 7),
        ("name", TextValue("3"), "3"),
        ("sizes", [], []),
        ("sizes", TextValue("[1, 2]"), [1, 2]),
        ("layers", [None, {"any": []}], [None, {"any": []}]),
        ("options", {}, {}),
        ("nothing", {"may": "be anything"}, {"may": "be anything"}),
        ("either", "text", "text"),
        ("flag", TextValue("TRUE"), True),
    ],
)
def test_what_fits(name: str, given: Any, value: Any) -> None:
    fitted = fit(PARAMETERS[name], given)
    assert fitted == value
    assert type(fitted) is type(value)


@pytest.mark.parametrize(
    ("name", "given", "text"),
    [
        ("eps", "0.5", "'0.5' is string, but number is wanted"),
        ("eps", True, "True is boolean"),
        ("eps", None, "None is null"),
        ("eps", TextValue("much"), "'much' is not a float"),
        ("count", 2.0, "2.0 is number, but integer is wanted"),
        ("count", TextValue("2.0"), "'2.0' is not an integer"),
        ("name", 3, "3 is integer, but string is wanted"),
        ("sizes", [1, "a"], "but sizes is wanted"),
        ("sizes", TextValue('["a"]'), "but sizes is wanted"),
        ("layers", {}, "{} is not a list"),
        ("options", [], "[] is not a mapping"),
        ("either", 1.5, "1.5 is number"),
        ("name", 10**100, "..."),
    ],
)
def test_what_does_not_fit(name: str, given: Any, text: str) -> None:
    with pytest.raises(UnfitValueError) as caught:
        fit(PARAMETERS[name], given)
    assert text in str(caught.value)


def test_defaults_fill_what_is_not_given_in_the_order_of_declaration() -> None:
    values, issues = resolve(PARAMETERS, {"flag": True, "eps": 0.1})
    assert not issues
    assert list(values) == list(DESCRIPTION["parameters"])
    assert values["count"] == 3
    assert values["nothing"] is None
    assert values["flag"] is True


def test_everything_wrong_is_found_at_once() -> None:
    values, issues = resolve(PARAMETERS, {"count": "x", "a": 1, "b": 2}, varied=["name", "c"])
    assert "name" not in values
    assert [(issue.code, issue.path) for issue in issues] == [
        ("job.parameter.unknown", "$.parameters.a"),
        ("job.parameter.unknown", "$.parameters.b"),
        ("job.parameter.unknown", "$.parameters.c"),
        ("job.parameter.missing", "$.parameters.eps"),
        ("job.parameter.value", "$.parameters.count"),
    ]
    _, issues = resolve(PARAMETERS, {"eps": 1}, varied=["eps"])
    assert [issue.code for issue in issues] == ["job.parameter.twice"]
