"""Values of parameters: given, or default, or an error."""

import pytest

from dioptra_ray.engine import MissingParametersError, resolve_parameters


@pytest.mark.parametrize(
    ("declared", "given", "values"),
    [
        ({"a": 1, "b": None, "c": [1]}, {}, {"a": 1, "b": None, "c": [1]}),
        ({"a": {"default": {"x": 1}}}, {}, {"a": {"x": 1}}),
        ({"a": {"type": "any", "default": None}}, {}, {"a": None}),
        ({"a": {"type": "integer"}}, {"a": None}, {"a": None}),
        ({"a": 1}, {"a": "text"}, {"a": "text"}),
    ],
)
def test_values(declared, given, values) -> None:
    assert resolve_parameters({"parameters": declared}, given) == values


def test_undeclared_ones_are_dropped_with_one_warning(caplog) -> None:
    assert resolve_parameters({}, {"z": 1, "a": 2}) == {}
    assert [record.getMessage() for record in caplog.records] == [
        "Parameters that the entrypoint does not declare are ignored: a, z"
    ]


def test_all_missing_ones_are_named() -> None:
    declared = {"b": {"type": "any"}, "c": 1, "a": {"type": "any"}}
    with pytest.raises(MissingParametersError, match="b, a") as caught:
        resolve_parameters({"parameters": declared}, {})
    assert caught.value.names == ("b", "a")


def test_a_changed_default_stays_in_its_job() -> None:
    description = {"parameters": {"a": [[1]], "b": {"default": {"x": []}}}}
    first = resolve_parameters(description, {})
    first["a"][0].append(2)
    first["b"]["x"].append(2)
    assert resolve_parameters(description, {}) == {"a": [[1]], "b": {"x": []}}
