"""Values on the wire: job parameters, sweep points and defaults.

`google.protobuf.Value` turns every number into a double; ours keeps integers apart, of any
size, and has a form for text that is still to be coerced to a declared type.
"""

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from dioptra_ray.api.types.v1.value_pb2 import ListValue, MappingValue, Value
from dioptra_ray.errors import InvalidRequestError

MAX_DEPTH = 32
MAX_DIGITS = 4_000  # below what Python itself refuses to convert
_INT64 = range(-(2**63), 2**63)


class TextValue(str):
    """Text that a person typed, to be coerced to the declared type of its parameter."""

    __slots__ = ()


def write_text(text: str) -> Value:
    """Write text that the controller coerces to the declared type."""
    return Value(text=_check_text(text))


def write_value(value: Any) -> Value:
    """Write a JSON-like Python value; tuples become lists, numpy scalars plain numbers.

    Raises:
        InvalidRequestError: The value, or one inside it, is nothing that JSON knows.
    """
    return _write(value, MAX_DEPTH)


def write_mapping(values: Mapping[str, Any]) -> dict[str, Value]:
    """Write values by name, as the map fields of requests take them.

    Raises:
        TypeError: They are not by name.
        InvalidRequestError: One of them is nothing that JSON knows.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"values must be a mapping by name, not {values!r}")
    for name in values:
        if not isinstance(name, str):
            raise TypeError(f"names of values must be text (str), not {name!r}")
    return {name: write_value(value) for name, value in values.items()}


def read_value(message: Value) -> Any:
    """Read a value; text that is still to be coerced comes back as a `TextValue`.

    Raises:
        InvalidRequestError: Nothing is set, or it is nested too deeply.
    """
    return _read(message, MAX_DEPTH)


def read_mapping(values: Mapping[str, Value]) -> dict[str, Any]:
    """Read values by name, as the map fields of messages hold them."""
    return {name: read_value(value) for name, value in values.items()}


def _write(value: Any, depth: int) -> Value:
    _check_depth(depth)
    if isinstance(value, Mapping):
        return Value(mapping_value=MappingValue(fields=_write_fields(value, depth)))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        return Value(list_value=ListValue(values=[_write(item, depth - 1) for item in value]))
    return _write_scalar(value)


def _write_scalar(value: Any) -> Value:
    # numpy's booleans are neither bool nor numbers.
    if value is None:
        message = Value(null_value=True)
    elif isinstance(value, bool) or type(value).__name__ in {"bool", "bool_"}:
        message = Value(boolean_value=bool(value))
    elif isinstance(value, str):
        text = _check_text(str(value))
        message = Value(text=text) if isinstance(value, TextValue) else Value(string_value=text)
    elif isinstance(value, Integral):
        message = _write_integer(int(value))
    elif isinstance(value, Real):
        message = Value(number_value=float(value))
    else:
        raise InvalidRequestError(
            f"a value of type {type(value).__name__} cannot be a parameter: use null, booleans, "
            "numbers, strings, lists and mappings"
        )
    return message


def _write_integer(value: int) -> Value:
    if value in _INT64:
        return Value(integer_value=value)
    if value.bit_length() > MAX_DIGITS * 3.3:
        raise InvalidRequestError(f"an integer has more than about {MAX_DIGITS} digits")
    return Value(big_integer_value=str(value))


def _write_fields(value: Mapping[Any, Any], depth: int) -> dict[str, Value]:
    for key in value:
        if not isinstance(key, str):
            raise InvalidRequestError(f"a mapping has the key {key!r}, but keys must be strings")
        _check_text(key)
    return {key: _write(item, depth - 1) for key, item in value.items()}


def _read(message: Value, depth: int) -> Any:
    _check_depth(depth)
    match message.WhichOneof("kind"):
        case "null_value":
            return None
        case "text":
            return TextValue(message.text)
        case "big_integer_value":
            return _read_integer(message.big_integer_value)
        case "list_value":
            return [_read(item, depth - 1) for item in message.list_value.values]
        case "mapping_value":
            fields = message.mapping_value.fields
            return {key: _read(item, depth - 1) for key, item in fields.items()}
        case None:
            raise InvalidRequestError("a value has no kind set; for null set null_value")
        case kind:
            return getattr(message, kind)


def _read_integer(digits: str) -> int:
    if not digits.removeprefix("-").isdecimal() or not digits.isascii() or len(digits) > MAX_DIGITS:
        raise InvalidRequestError(
            f"big_integer_value must be an optional sign and at most {MAX_DIGITS} digits"
        )
    return int(digits)


def _check_depth(depth: int) -> None:
    if depth <= 0:
        raise InvalidRequestError(f"a value is nested more than {MAX_DEPTH} deep")


def _check_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"the text {text[:40]!r} is not valid Unicode: {error}") from None
    return text
