"""Any JSON-like value survives the wire."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dioptra_ray.api.types.v1.value_pb2 import ListValue, Value
from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.wire.values import TextValue, read_value, write_text, write_value

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**300), max_value=10**300)
    | st.floats(allow_nan=False)
    | texts
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20
)


def same(left: object, right: object) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return left == right


@given(values)
def test_round_trip_keeps_value_and_type(value: object) -> None:
    message = Value.FromString(write_value(value).SerializeToString())
    assert same(read_value(message), value)


@given(texts)
def test_text_stays_apart_from_strings(text: str) -> None:
    assert isinstance(read_value(write_text(text)), TextValue)
    assert read_value(write_text(text)) == text
    assert not isinstance(read_value(write_value(text)), TextValue)
    assert write_value(read_value(write_text(text))) == write_text(text)


def test_nan_survives() -> None:
    assert math.isnan(read_value(write_value(math.nan)))


@pytest.mark.parametrize("value", [object(), b"x", {1: 2}, {1, 2}, "\ud800", {"\ud800": 1}, 1j])
def test_what_json_does_not_know_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequestError):
        write_value(value)


def test_depth_is_bounded_in_both_directions() -> None:
    deep: object = 1
    message = Value(integer_value=1)
    for _ in range(40):
        deep = [deep]
        message = Value(list_value=ListValue(values=[message]))
    with pytest.raises(InvalidRequestError, match="nested"):
        write_value(deep)
    with pytest.raises(InvalidRequestError, match="nested"):
        read_value(message)


@pytest.mark.parametrize("digits", ["", "-", "1e5", "٣", "--1", "1" * 5000, " 1"])
def test_malformed_big_integers_are_refused(digits: str) -> None:
    with pytest.raises(InvalidRequestError):
        read_value(Value(big_integer_value=digits))


def test_an_empty_value_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="kind"):
        read_value(Value())


def test_numpy_scalars_are_plain_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    assert read_value(write_value(numpy.int32(3))) == 3
    assert read_value(write_value(numpy.float32(0.5))) == 0.5
    assert read_value(write_value(numpy.bool_(True))) is True
