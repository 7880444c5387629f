"""Any bytes as a request of any method are answered, and nothing breaks by them."""

import itertools
import json
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from dioptra_controller import __version__
from tests.fuzz import messages
from tests.fuzz.conftest import Fuzz
from tests.fuzz.world import WORLD, right_requests
from tests.integration.access.conftest import FILES, METHODS
from tests.integration.registry.serving import serve

SERVICES = sorted(service for file in FILES for service in file.DESCRIPTOR.services_by_name)
# A watch of something that goes on ends when the client is tired of it, and only then.
STREAM_SECONDS = 0.2
ANSWER_SECONDS = 30.0
THERE = {
    grpc.StatusCode.OK,
    grpc.StatusCode.ALREADY_EXISTS,
    # Deleted, and still in the way, or of a group that is gone.
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
}
INTERNALS = ("Traceback", "sqlite", "SELECT ", "site-packages", 'File "', "<class", "object at 0x")
NEVER = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
LISTS = sorted(name for name, method in METHODS.items() if name.startswith("List"))


@dataclass(frozen=True)
class Answer:
    """How a call ended."""

    code: grpc.StatusCode
    details: str = ""
    messages: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Target:
    """A controller that anything may be sent to."""

    channel: grpc.Channel
    database: Path
    store_url: str

    def furnish(self) -> None:
        """Have something of every kind, whatever was deleted before."""
        for name, fields in WORLD:
            request = GetMessageClass(METHODS[name].input_type)(**fields)
            answer = self.send(METHODS[name], [request.SerializeToString()])
            assert answer.code in THERE, answer

    def call(self, method_name: str, /, **fields: Any) -> Any:
        """Call a method with one message that is right."""
        method = METHODS[method_name]
        request = GetMessageClass(method.input_type)(**fields)
        answer = self.send(method, [request.SerializeToString()])
        assert answer.code is grpc.StatusCode.OK, (method_name, fields, answer)
        return GetMessageClass(method.output_type).FromString(answer.messages[0])

    def send(self, method: MethodDescriptor, requests: list[bytes]) -> Answer:
        """Call a method with bytes."""
        path = f"/{method.containing_service.full_name}/{method.name}"
        client = "stream" if method.client_streaming else "unary"
        kind = f"{client}_{'stream' if method.server_streaming else 'unary'}"
        request = iter(requests) if method.client_streaming else requests[0]
        waits = method.server_streaming or method.name == "WaitJob"
        seconds = STREAM_SECONDS if waits else ANSWER_SECONDS
        found: list[bytes] = []
        try:
            result = getattr(self.channel, kind)(path)(request, timeout=seconds)
            found += result if method.server_streaming else [result]
        except grpc.RpcError as error:
            code, details = error.code(), error.details()  # type: ignore[attr-defined]
            if waits and code is grpc.StatusCode.DEADLINE_EXCEEDED:
                code = grpc.StatusCode.OK
            return Answer(code, details or "", tuple(found))
        return Answer(grpc.StatusCode.OK, "", tuple(found))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("fuzz")
    with serve(folder) as controller, grpc.insecure_channel(controller.address) as channel:
        store_url = (folder / "store").as_uri()
        yield Target(channel, folder / "controller.db", store_url)


@pytest.mark.parametrize("service", SERVICES)
def test_any_bytes_are_answered(service: str, target: Target, fuzz: Fuzz) -> None:
    methods = [one for one in METHODS.values() if one.containing_service.name == service]
    rounds = itertools.count()

    def make(rng: random.Random) -> bytes:
        method = rng.choice(methods)
        requests = make_requests(rng, method, target.store_url)
        return json.dumps([method.name, *(one.hex() for one in requests)]).encode()

    def check(data: bytes) -> None:
        if next(rounds) % 50 == 0:
            target.furnish()
        name, *requests = json.loads(data)
        answer = target.send(METHODS[name], [bytes.fromhex(one) for one in requests])
        assert answer.code not in NEVER, (name, answer)
        # A runner is told which store it should have; nobody else is told of our files.
        assert name == "Connect" or str(target.database.parent) not in answer.details, answer
        assert not any(word in answer.details for word in INTERNALS), (name, answer)
        assert answer.code is grpc.StatusCode.OK or answer.details, name
        for message in answer.messages:
            GetMessageClass(METHODS[name].output_type).FromString(message)

    fuzz(make, check)
    check_whole(target)


def make_requests(rng: random.Random, method: MethodDescriptor, store_url: str) -> list[bytes]:
    """The requests of one call: at random, or those of a right call with something wrong."""
    known = {**messages.KNOWN, "store_url": (store_url,), "version": (__version__,)}
    maker = messages.Requests(rng, known)
    kind = GetMessageClass(method.input_type)
    right = [kind(**fields) for fields in right_requests(method.name, store_url)]
    if right and rng.random() < 0.8:
        return [maker.generate(method.input_type, one) for one in right]
    count = rng.choice([0, 1, 2, 3, 5]) if method.client_streaming else 1
    return [maker.generate(method.input_type) for _ in range(count)]


def check_whole(target: Target) -> None:
    """Everything that is there can be listed and shown, and the database is sound."""
    for name in LISTS:
        fields = METHODS[name].input_type.fields_by_name
        if {"id", "resource", "sweep_id", "tag"} & set(fields.keys()) and name != "ListJobs":
            continue
        _list_all(target, name)
    with sqlite3.connect(f"file:{target.database}?mode=ro", uri=True) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def _list_all(target: Target, name: str) -> None:
    token = ""
    while True:
        page = target.call(name, page_size=200, page_token=token)
        for row in next(iter(page.ListFields()), (None, ()))[1]:
            _show(target, row)
        token = page.next_page_token
        if not token:
            return


def _show(target: Target, row: Any) -> None:
    kind = row.DESCRIPTOR.name
    getter = METHODS.get(f"Get{kind}")
    if getter is None:
        return
    by = "name" if "name" in getter.input_type.fields_by_name else "id"
    target.call(getter.name, **{by: getattr(row, by)})
