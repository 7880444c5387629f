"""Requests for any method, by its descriptor: plausible, extreme, or spoiled."""

import gzip
import io
import random
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.fuzz import corpus

# What the server knows (tests/fuzz/test_rpcs.py makes it), so that requests get far.
PLUGIN, ENTRYPOINT, EXPERIMENT, QUEUE, TYPE, GROUP = "maths", "scale", "exp", "bulk", "Pairs", "red"
NAMES = (PLUGIN, ENTRYPOINT, EXPERIMENT, QUEUE, TYPE, GROUP, "default", "made", "made too")
# By the name of a field, what it may hold to be plausible.
Known = dict[str, tuple[str, ...]]
KNOWN: Known = {
    "name": NAMES,
    "add": ("made", "made too"),
    "remove": ("made", "made too"),
    "tag": ("", "made"),
    "search": ("", "a"),
    "page_token": ("",),
    "request_id": ("", "1"),
    "description": ("", "plain"),
    "plugins": (PLUGIN,),
    "plugin": ("", PLUGIN),
    "entrypoint": ("", ENTRYPOINT),
    "experiment": ("", EXPERIMENT),
    "queue": ("", QUEUE, "default"),
    "queues": (QUEUE, "*"),
    "group": ("", "", GROUP, "default"),
    "task": ("", "maths.tasks.Text"),
    "path": ("tasks.py", "new.py", "text.txt"),
    "paths": ("description", "tags", "environment", "text.txt"),
    "source_file": ("", "scale.yaml"),
    "order_by": ("", "name", "-name", "create_time", "create_time desc"),
    "parameter": ("x",),
    "isolation": ("", "process", "fresh"),
    "runtime_env_json": ("", "{}", '{"env_vars": {"A": "1"}}'),
    "structure_json": ('{"list": "integer"}', '{"tuple": ["string", "integer"]}'),
    "config_path": ("", "dioptra.toml"),
    "key": ("x", "num_cpus", "a"),
    "basename": ("text.txt",),
    "runner_id": ("r1", "r2"),
    "step": ("", "scaled"),
    "level": ("", "INFO"),
    "outcome": ("", "OK"),
    "method": ("",),
    "subject": ("", "x"),
}
TEXTS = (
    *("", " ", "*", "%", "_", "0", "-1", "x", ",", "a,b", "a/b", "..", "../../etc/passwd"),
    *("/", "\\", "C:\\x", "\0", "a\0b", "\n", "\u202e", "\ufeff", "é", "é", "日本", "🜁" * 70),
    *("nan", "NaN", "1e999", "Infinity", "null", "{", "{}", "[]", '{"list": "integer"}'),
    *('"' * 50, "'; DROP TABLE jobs; --", "$x", "{{7*7}}", "%s%n", "1" * 5000, "a" * 300),
    *("a" * 70_000, "[" * 5000, '{"a":' * 3000, '{"list":' * 300 + '"any"' + "}" * 300),
    *('{"mapping": {"a": NaN}}', '{"env_vars": {"A": 1}}', '{"pip": ["x"]}', "true", "1.5"),
    "graph: {s: {scale: [$x]}}",
    "x" * 129,
)
INTEGERS = (0, 1, 2, 3, -1, 7, 1000, 1001, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63))
FLOATS = (0.0, 1.0, -1.0, 0.5, float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324)
TIMES = (0, 1, -1, 253402300799, 253402300800, -62135596801, 2**62, -(2**62), 315576000000)
LIMITS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
DEEPEST = 6


def archive(files: Mapping[str, bytes]) -> bytes:
    """A project as clients send it."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@dataclass(frozen=True)
class Requests:
    """Makes requests.

    Attributes:
        rng: Decides.
        known: What is plausible, by field.
    """

    rng: random.Random
    known: Known

    def generate(self, kind: Descriptor, right: Message | None = None) -> bytes:
        """The bytes of a request of this kind, or of one that is right but for a few things."""
        way = self.rng.random()
        if way < 0.05:
            return corpus.noise(self.rng)
        if way < 0.08:
            return _nest(self.rng)
        if right is not None and way > 0.4:
            return self.spoil(right).SerializeToString()
        message = self.fill(kind).SerializeToString()
        return corpus.mutate(message, self.rng) if way < 0.25 else message

    def spoil(self, right: Message) -> Message:
        """A copy of a message with a few fields, at any depth, as they should not be."""
        message = type(right)()
        message.CopyFrom(right)
        for _ in range(self.rng.choice([0, 1, 1, 1, 2, 3])):
            spots = [(message, field) for field in message.DESCRIPTOR.fields]
            for holder, field in spots:
                inner = field.message_type is not None and not field.is_repeated
                if inner and len(spots) < 200 and holder.HasField(field.name):
                    found = getattr(holder, field.name)
                    spots += [(found, one) for one in found.DESCRIPTOR.fields]
            if not spots:
                break
            holder, field = self.rng.choice(spots)
            holder.ClearField(field.name)
            if self.rng.random() < 0.9:
                self._set(holder, field, depth=1)
        return message

    def fill(self, kind: Descriptor, depth: int = 0) -> Message:
        """A message whose fields hold anything that their types allow."""
        message = GetMessageClass(kind)()
        often = self.rng.choice([0.4, 0.7, 0.95]) if depth < DEEPEST else 0.1
        for field in kind.fields:
            if self.rng.random() < often:
                self._set(message, field, depth)
        return message

    def _set(self, message: Any, field: FieldDescriptor, depth: int) -> None:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            self._set_map(getattr(message, field.name), field.message_type, depth)
        elif field.is_repeated:
            count = self.rng.choice([0, 1, 1, 2, 3, 20]) if depth < 3 else self.rng.randint(0, 2)
            values = [self._value(field, depth) for _ in range(count)]
            getattr(message, field.name).extend(values)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(self._value(field, depth))
        else:
            setattr(message, field.name, self._value(field, depth))

    def _set_map(self, target: Any, entry: Descriptor, depth: int) -> None:
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        for _ in range(self.rng.choice([0, 1, 1, 2, 5])):
            one = self._value(key, depth)
            if value.message_type is not None:
                target[one].CopyFrom(self._value(value, depth))
            else:
                target[one] = self._value(value, depth)

    def _value(self, field: FieldDescriptor, depth: int) -> Any:
        if field.enum_type is not None:
            numbers = [one.number for one in field.enum_type.values]
            return self.rng.choice(numbers * 4 + [99, -1])
        if field.message_type is not None:
            return self._inner(field.message_type, depth)
        makers: Mapping[int, Callable[[], Any]] = {
            FieldDescriptor.CPPTYPE_STRING: lambda: self._text(field),
            FieldDescriptor.CPPTYPE_BOOL: lambda: self.rng.random() < 0.5,
            FieldDescriptor.CPPTYPE_DOUBLE: lambda: self.rng.choice(FLOATS),
            FieldDescriptor.CPPTYPE_FLOAT: lambda: self.rng.choice(FLOATS),
        }
        if field.cpp_type in makers:
            return makers[field.cpp_type]()
        least, most = LIMITS[field.cpp_type]
        return max(least, min(most, self.rng.choice([1, 1, 1, *INTEGERS])))

    def _inner(self, kind: Descriptor, depth: int) -> Message:
        if kind.full_name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
            nanos = self.rng.choice([0, 1, -1, 999_999_999, 2**31 - 1, -(2**31)])
            return GetMessageClass(kind)(seconds=self.rng.choice(TIMES), nanos=nanos)
        return self.fill(kind, depth + 1)

    def _text(self, field: FieldDescriptor) -> Any:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return self._bytes()
        known = self.known.get(field.name, ())
        if known and self.rng.random() < 0.85:
            return self.rng.choice(known)
        if field.name == "source" and self.rng.random() < 0.7:
            text = corpus.DESCRIPTION if self.rng.random() < 0.5 else SCALE
            return corpus.mutate(text, self.rng).decode("utf-8", "replace")
        if self.rng.random() < 0.1:
            return corpus.pieces(self.rng).decode("utf-8", "replace")
        return self.rng.choice(TEXTS)

    def _bytes(self) -> bytes:
        files = {
            "dioptra.toml": corpus.mutate(corpus.CONFIG, self.rng)
            if self.rng.random() < 0.5
            else CONFIG,
            "plugins/p/tasks.py": corpus.mutate(corpus.SOURCE, self.rng),
            "tasks.py": corpus.mutate(corpus.SOURCE, self.rng),
            "e.yaml": corpus.mutate(corpus.DESCRIPTION, self.rng),
        }
        way = self.rng.random()
        if way < 0.2:
            return corpus.noise(self.rng)
        if way < 0.4:
            return corpus.mutate(corpus.SOURCE, self.rng)
        packed = archive(files)
        return corpus.mutate(packed, self.rng) if way < 0.6 else packed


def _nest(rng: random.Random) -> bytes:
    """Messages in messages, far deeper than any parser goes."""
    field = bytes([rng.randint(1, 15) << 3 | 2])
    data = b""
    for _ in range(rng.choice([50, 99, 101, 2000])):
        data = field + _varint(len(data)) + data
    return data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


SCALE = b"""\
parameters: {x: 1.5}
tasks:
  scale:
    plugin: maths.tasks.scale
    inputs: [{x: number}, {name: factor, type: number, required: false}]
    outputs: {output: number}
graph:
  scaled:
    scale: [$x]
"""
CONFIG = b"""\
[[plugin_param_types]]
name = "Imported"
structure = { list = "integer" }
"""
