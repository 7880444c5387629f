"""Every limit of the table: at it a request passes, with one more it is refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from dioptra_controller.limits import fields
from dioptra_controller.limits.fields import check_request
from dioptra_ray.api.controller.v1 import entrypoint_service_pb2, job_service_pb2, sweep_service_pb2
from dioptra_ray.api.types.v1.value_pb2 import Value
from dioptra_ray.errors import InvalidRequestError
from tests.integration.access.conftest import METHODS

REQUESTS = sorted(
    (
        method.input_type
        for method in METHODS.values()
        if method.containing_service.name != "RunnerService"
    ),
    key=lambda kind: kind.name,
)


def plain(kind: Descriptor) -> Iterator[FieldDescriptor]:
    return (field for field in kind.fields if field.type == FieldDescriptor.TYPE_STRING)


TEXTS = [(kind, field) for kind in REQUESTS for field in plain(kind)]
LISTS = [(kind, field) for kind in REQUESTS for field in kind.fields if field.is_repeated]


def name_of(case: Any) -> str:
    return case.name if isinstance(case, Descriptor | FieldDescriptor) else ""


@pytest.mark.parametrize(("kind", "field"), TEXTS, ids=name_of)
def test_texts_have_a_longest_length(kind: Descriptor, field: FieldDescriptor) -> None:
    longest = fields.LONGEST_TEXTS.get(field.name, fields.LONGEST_TEXT)
    check_request(with_text(kind, field, "x" * longest))
    with pytest.raises(InvalidRequestError) as raised:
        check_request(with_text(kind, field, "x" * (longest + 1)))
    assert field.name in raised.value.message
    assert f"{longest} characters: it has {longest + 1}" in raised.value.message


@pytest.mark.parametrize(("kind", "field"), LISTS, ids=name_of)
def test_lists_and_mappings_have_a_longest_length(kind: Descriptor, field: FieldDescriptor) -> None:
    most = fields.MOST_ITEMS_OF.get(field.name, fields.MOST_ITEMS)
    check_request(with_items(kind, field, most))
    with pytest.raises(InvalidRequestError) as raised:
        check_request(with_items(kind, field, most + 1))
    assert raised.value.message == (
        f"{field.name} has {most + 1} entries; at most {most} are taken"
    )


def test_keys_of_mappings_have_a_longest_length() -> None:
    request = job_service_pb2.CreateJobRequest(swaps={"k" * (fields.LONGEST_TEXT + 1): "v"})
    with pytest.raises(InvalidRequestError, match="a key of swaps is longer than"):
        check_request(request)


def test_texts_of_mappings_have_a_longest_length() -> None:
    request = job_service_pb2.CreateJobRequest(swaps={"k": "v" * (fields.LONGEST_TEXT + 1)})
    with pytest.raises(InvalidRequestError, match="swaps is longer than"):
        check_request(request)


def test_what_is_inside_has_limits_too() -> None:
    grid = sweep_service_pb2.Grid(
        dimensions=[sweep_service_pb2.Dimension(values=[Value(null_value=True)] * 100_001)]
    )
    with pytest.raises(InvalidRequestError, match=r"grid\.dimensions\.values has 100001 entries"):
        check_request(sweep_service_pb2.CreateSweepRequest(grid=grid))


def test_values_have_a_largest_size() -> None:
    large = Value(string_value="x" * fields.MAX_VALUE_BYTES)
    request = job_service_pb2.CreateJobRequest(parameters={"x": large})
    with pytest.raises(InvalidRequestError, match="belongs into an artifact"):
        check_request(request)


def test_a_description_is_as_long_as_the_language_takes_it() -> None:
    check_request(entrypoint_service_pb2.PutEntrypointRequest(source="#" * 8 * 1024 * 1024))


def with_text(kind: Descriptor, field: FieldDescriptor, text: str) -> Message:
    return GetMessageClass(kind)(**{field.name: [text] if field.is_repeated else text})


def with_items(kind: Descriptor, field: FieldDescriptor, count: int) -> Message:
    entry = field.message_type
    if entry is None:
        one: Any = "x" if field.type == FieldDescriptor.TYPE_STRING else 1
        return GetMessageClass(kind)(**{field.name: [one] * count})
    if not entry.GetOptions().map_entry:
        return GetMessageClass(kind)(**{field.name: [GetMessageClass(entry)()] * count})
    value = entry.fields_by_name["value"]
    filled: Any = 1 if value.message_type is None else GetMessageClass(value.message_type)()
    filled = "v" if value.type == FieldDescriptor.TYPE_STRING else filled
    message = GetMessageClass(kind)()
    target = getattr(message, field.name)
    for number in range(count):
        if value.message_type is None:
            target[str(number)] = filled
        else:
            target[str(number)].CopyFrom(filled)
    return message
