"""How much one request may hold: the table, by the names of fields, and who looks at it.

Every text, list and mapping of every request has a limit before anything else looks at it, so
that no method has to defend itself against a search for a megabyte. Methods have rules of their
own beyond this; where a thing has such a rule, the limit here is the same or wider.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from dioptra_ray.errors import InvalidRequestError

LONGEST_TEXT: Final = 4096
LONGEST_TEXTS: Final[Mapping[str, int]] = {
    "name": 255,
    "group": 255,
    "entrypoint": 255,
    "experiment": 255,
    "queue": 255,
    "plugin": 255,
    "plugins": 255,
    "subject": 255,
    "step": 1000,
    "task": 1000,
    "tag": 255,
    "add": 255,
    "remove": 255,
    "search": 1000,
    "order_by": 100,
    "request_id": 128,
    "description": 64 * 1024,
    "structure_json": 256 * 1024,
    "runtime_env_json": 64 * 1024,
    # A description's own limit counts characters too, and says where it is exceeded.
    "source": 8 * 1024 * 1024,
}
"""Characters of a text field; of each text of a list, and each key and text of a mapping."""

MOST_ITEMS: Final = 1000
MOST_ITEMS_OF: Final[Mapping[str, int]] = {
    "add": 100,
    "remove": 100,
    "labels": 100,
    "resources": 100,
    "states": 20,
    "dimensions": 100,
    "values": 100_000,
    "points": 100_000,
}
"""Entries of a list or a mapping."""

# Values have limits of their own (`dioptra_ray.wire.values`), and there may be very many.
_OPAQUE: Final = frozenset(
    {"dioptra_ray.api.types.v1.Value", "dioptra_ray.api.controller.v1.Point"}
)
MAX_VALUE_BYTES: Final = 4 * 1024 * 1024


def check_request(request: Message) -> None:
    """Refuse a request that holds more than it may.

    Raises:
        InvalidRequestError: It does; says which field, how much it has, and the limit.
    """
    pending: list[tuple[str, Message]] = [("", request)]
    while pending:
        prefix, message = pending.pop()
        for field, value in message.ListFields():
            path = f"{prefix}{field.name}"
            pending += _check_field(field, path, value)


def _check_field(field: FieldDescriptor, path: str, value: Any) -> Iterable[tuple[str, Message]]:
    """Check a field; what is inside of it and still to be checked."""
    kind = field.message_type
    if field.is_repeated:
        most = MOST_ITEMS_OF.get(field.name, MOST_ITEMS)
        if len(value) > most:
            raise InvalidRequestError(
                f"{path} has {len(value)} entries; at most {most} are taken", field=path
            )
    if kind is not None and kind.GetOptions().map_entry:
        for key in value:
            _check_text(field, f"a key of {path}", key)
        field, values = kind.fields_by_name["value"], list(value.values())
        kind = field.message_type
    else:
        values = value if field.is_repeated else [value]
    if kind is None:
        for one in values:
            _check_text(field, path, one)
        return ()
    if kind.full_name in _OPAQUE:
        for one in values:
            _check_size(path, one)
        return ()
    return [(f"{path}.", one) for one in values]


def _check_text(field: FieldDescriptor, path: str, value: Any) -> None:
    longest = LONGEST_TEXTS.get(field.name, LONGEST_TEXT)
    if isinstance(value, str) and len(value) > longest:
        raise InvalidRequestError(
            f"{path} is longer than {longest} characters: it has {len(value)}", field=path
        )


def _check_size(path: str, value: Message) -> None:
    if value.ByteSize() > MAX_VALUE_BYTES:
        raise InvalidRequestError(
            f"a value of {path} has {value.ByteSize()} bytes; at most {MAX_VALUE_BYTES} are "
            "taken: what is larger belongs into an artifact",
            field=path,
        )
