"""Requests from what users pass: a value of a wrong type is named in a sentence."""

from typing import Any, Final, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

M = TypeVar("M", bound=Message)

LONGEST_SHOWN: Final = 100
_WORDS: Final = {
    FieldDescriptor.CPPTYPE_STRING: "text (str)",
    FieldDescriptor.CPPTYPE_BOOL: "True or False",
    FieldDescriptor.CPPTYPE_INT32: "a whole number (int) of 32 bits",
    FieldDescriptor.CPPTYPE_INT64: "a whole number (int) of 64 bits",
    FieldDescriptor.CPPTYPE_DOUBLE: "a number",
}


def make(kind: type[M], /, **fields: Any) -> M:
    """Make a request.

    Raises:
        TypeError: A value is of a type, or a size, that its field cannot hold.
    """
    try:
        return kind(**fields)
    except (TypeError, ValueError, AttributeError):
        for name, value in fields.items():
            _check(kind, name, value)
        raise


def _check(kind: type[Message], name: str, value: Any) -> None:
    try:
        kind(**{name: value})
    except (TypeError, ValueError, AttributeError):
        field = kind.DESCRIPTOR.fields_by_name[name]
        wanted = _WORDS.get(field.cpp_type, "something else")
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            inner = _WORDS.get(entry.fields_by_name["value"].cpp_type, "something else")
            wanted = f"a mapping of names to {inner}"
        elif field.is_repeated:
            wanted = f"a sequence, each {wanted}"
        shown = repr(value)
        shown = shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}..."
        raise TypeError(f"{name} must be {wanted}, not {shown} ({type(value).__name__})") from None
