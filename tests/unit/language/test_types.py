from typing import Any

import pytest

from dioptra_ray.language import validate
from dioptra_ray.language.types import (
    MappingType,
    TypeDefinitionError,
    UnionType,
    build_types,
    infer,
    is_compatible,
    parse_type,
)
from dioptra_ray.language.types.compatibility import Comparer
from dioptra_ray.language.types.errors import TypesTooLargeError


def test_a_type_is_known_by_its_definition():
    types = build_types({"T": {"list": "integer"}})
    assert parse_type({"tuple": ["T", "string"]}, types).definition == {"tuple": ["T", "string"]}
    assert infer([1, "a"]).definition == {"tuple": ["integer", "string"]}
    assert types["T"].definition == "T"
    assert types["T"].structure == {"list": "integer"}


def test_union_members_are_listed_in_one_order():
    types = build_types({})
    one = parse_type({"union": ["string", {"list": "any"}, "integer", "string"]}, types)
    other = parse_type({"union": ["integer", "string", {"list": "any"}]}, types)
    assert one == other
    assert one.definition == other.definition


def test_types_do_not_change():
    with pytest.raises(AttributeError):
        build_types({})["string"].name = "text"


def test_sets_have_one_type_whatever_their_order():
    assert infer({"b", 1, "a"}).definition == infer({1, "a", "b"}).definition


@pytest.mark.parametrize(
    ("definitions", "code"),
    [
        ({"A": {"list": "Strin"}}, "type.not_found"),
        ({"A": {"is_a": "A"}}, "type.cycle"),
        ({"A": 3}, "type.malformed"),
        ({"A": {"mapping": ["string"]}}, "type.malformed"),
        ({"A": {"tuple": "string"}}, "type.malformed"),
        ({"A": {"union": "string"}}, "type.malformed"),
        ({"A": {"lst": "string"}}, "type.malformed"),
    ],
)
def test_wrong_definitions_say_what_and_where(definitions, code):
    with pytest.raises(TypeDefinitionError) as caught:
        build_types(definitions)
    assert (caught.value.code, caught.value.type_name) == (code, "A")


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(TypeDefinitionError, match="Did you mean 'string'"):
        parse_type("strin", build_types({}))


def test_a_union_of_nothing_fits_everywhere_but_takes_only_itself():
    nothing = UnionType(())
    assert is_compatible(nothing, build_types({})["string"])
    assert is_compatible(nothing, UnionType(()))
    assert not is_compatible(MappingType({}), nothing)


def test_chains_of_unions_are_not_compared_again_and_again():
    """Exponentially many paths lead to the leaves; the budget of the comparer would not do."""
    definitions: dict[str, Any] = {"a0": None, "b0": {"is_a": "a0"}}
    for n in range(1, 300):
        for kind in "ab":
            before = f"{kind}{n - 1}"
            definitions[f"{kind}{n}"] = {"union": [before, {"tuple": [before, before]}]}
    types = build_types(definitions)
    comparer = Comparer()
    assert comparer.fits(types["b20"], types["a20"])
    assert not comparer.fits(types["a20"], types["b20"])
    last = build_types({"t": None, **{f"t{n}": {"union": ["t", "t"]} for n in range(9)}})["t8"]
    assert comparer.fits(last, last)


def test_types_that_are_too_large_are_refused(monkeypatch):
    monkeypatch.setattr("dioptra_ray.language.types.compatibility.MAX_DECISIONS", 50)
    definitions = {f"s{n}": {"list": "string"} for n in range(20)}
    wide = {"union": [{"list": name} for name in definitions]}
    types = build_types({**definitions, "wide": wide, "other": {"union": [{"tuple": ["wide"]}]}})
    many = parse_type({"tuple": [{"tuple": [name]} for name in definitions] * 9}, types)
    with pytest.raises(TypesTooLargeError):
        is_compatible(many, parse_type({"list": "wide"}, types))
    tasks = {"t": {"plugin": "m.f", "inputs": [{"x": "wide"}]}}
    graph = {f"g{n}": {"t": [[[n] * n]]} for n in range(60)}
    found = validate({"types": {**definitions, "wide": wide}, "tasks": tasks, "graph": graph})
    assert [issue.code for issue in found] == ["description.too_large"]


def test_names_tell_structures_apart_but_not_unions():
    """As in Dioptra, whose manual says it of both."""
    types = build_types(
        {
            "L": {"list": "integer"},
            "M": {"list": "integer"},
            "U": {"union": ["integer", "string"]},
            "V": {"union": ["string", "integer"]},
        }
    )
    assert not is_compatible(types["L"], types["M"])
    assert is_compatible(types["U"], types["V"])


def test_a_union_of_nothing_is_a_simple_type_if_it_has_a_name():
    types = build_types({"nothing": {"union": []}})
    assert not is_compatible(types["nothing"], types["string"])
    assert not is_compatible(types["string"], types["nothing"])
    with pytest.raises(TypeDefinitionError) as caught:
        parse_type({"union": []}, types)
    assert caught.value.code == "type.anonymous_simple"
