"""Compatibility as an order of types: where it is one, and the one place where it is not."""

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dioptra_ray.language.types import build_types, is_compatible, parse_type
from dioptra_ray.language.types.model import (
    KeyedMappingType,
    ListType,
    MappingType,
    StructuredType,
    TupleType,
    Type,
    UnionType,
)

SLOW = settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

DEFINITIONS = {
    "A": None,
    "B": {"is_a": "A"},
    "Either": {"union": ["A", "string"]},
    "Other": {"union": ["string", "A", "B"]},
    "Open": {"union": ["any", "null"]},
    "List": {"list": "B"},
    "Twin": {"list": "B"},
    "Pair": {"tuple": ["B", "B"]},
    "Map": {"mapping": ["string", "A"]},
    "Point": {"mapping": {"x": "B"}},
}
KNOWN = build_types(DEFINITIONS)
FREE = ["A", "B", "Either", "Other", "Open", "string", "integer", "number", "null", "any"]
NAMED = [*FREE, "List", "Twin", "Pair", "Map", "Point"]


def types(names: list[str]) -> st.SearchStrategy[Type]:
    definitions = st.recursive(
        st.sampled_from(names),
        lambda parts: st.one_of(
            parts.map(lambda part: {"list": part}),
            st.lists(parts, max_size=2).map(lambda many: {"tuple": many}),
            st.lists(parts, min_size=1, max_size=3).map(lambda many: {"union": many}),
            parts.map(lambda part: {"mapping": ["string", part]}),
            parts.map(lambda part: {"mapping": ["integer", part]}),
            st.dictionaries(st.sampled_from("xy"), parts).map(lambda many: {"mapping": many}),
        ),
        max_leaves=4,
    )
    return definitions.map(lambda definition: parse_type(definition, KNOWN))


def wider(one: Type) -> st.SearchStrategy[Type]:
    """Types that `one` often fits, so that chains of three are found."""
    return st.sampled_from(
        [
            one,
            UnionType([one, KNOWN["null"]]),
            KNOWN["any"],
            *([ListType(UnionType(one.elements))] if isinstance(one, TupleType) else []),
            *([ListType(KNOWN["A"])] if isinstance(one, ListType) else []),
            *[KNOWN[name] for name in DEFINITIONS],
        ]
    ) | types(NAMED)


def has_named_structure(one: Type) -> bool:
    if isinstance(one, StructuredType) and one.name is not None:
        return True
    match one:
        case ListType():
            parts: list[Type] = [one.element]
        case TupleType():
            parts = list(one.elements)
        case MappingType():
            parts = list(one.properties.values())
        case KeyedMappingType():
            parts = [one.value]
        case UnionType():
            parts = list(one.members)
        case _:
            parts = []
    return any(map(has_named_structure, parts))


@SLOW
@given(types(NAMED))
def test_every_type_fits_itself_and_any(one: Type):
    assert is_compatible(one, one)
    assert is_compatible(one, KNOWN["any"])
    assert is_compatible(one, UnionType([one, KNOWN["null"]]))


@SLOW
@given(st.data())
def test_fitting_is_transitive_but_between_named_structures(data: st.DataObject):
    first = data.draw(types(NAMED))
    second = data.draw(wider(first))
    third = data.draw(wider(second))
    assume(is_compatible(first, second) and is_compatible(second, third))
    if not is_compatible(first, third):
        assert has_named_structure(first)
        assert has_named_structure(third)


@SLOW
@given(st.data())
def test_fitting_is_transitive_without_named_structures(data: st.DataObject):
    first, second, third = (data.draw(types(FREE)) for _ in range(3))
    union = UnionType([first, second])
    assume(is_compatible(union, third) or is_compatible(first, second))
    if is_compatible(union, third):
        assert is_compatible(first, third)
        assert is_compatible(second, third)
    elif is_compatible(second, third):
        assert is_compatible(first, third)


def test_named_structures_are_where_it_fails():
    """A list by any other name fits a list without one, and that fits the other name."""
    unnamed = parse_type({"list": "B"}, KNOWN)
    assert is_compatible(KNOWN["List"], unnamed)
    assert is_compatible(unnamed, KNOWN["Twin"])
    assert not is_compatible(KNOWN["List"], KNOWN["Twin"])
