"""What a stage did to its working directory, as a value: its *workspace delta*.

A delta lists what is new or changed, and what is gone. The contents of its files travel
with it, except for large ones, which wait in the store's scratch space.
"""

import pickle
from dataclasses import dataclass, replace
from typing import Literal

from dioptra_workers.stage.payload import Payload
from dioptra_workers.stage.scratch import Scratch, StoredFile

Kind = Literal["file", "folder", "link", "fifo", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One path that a stage made, changed or removed.

    Attributes:
        path: Relative to the working directory.
        kind: What it is now.
        mode: Its permissions.
        mtime_ns: When a file was modified, in nanoseconds since 1970.
        target: Where a link leads.
        place: Where a file's content begins in the delta's.
        size: Bytes of a file's content in the delta's.
        stored: The content of a large file.
    """

    path: str
    kind: Kind
    mode: int = 0
    mtime_ns: int = 0
    target: str = ""
    place: int = 0
    size: int = 0
    stored: StoredFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What one stage did.

    Attributes:
        stage: The stage.
        label: The stage as people know it, with its steps.
        after: All stages before it: what it did, it did knowing theirs.
        entries: What it did, sorted by path.
        content: The contents of its files, one after another.
    """

    stage: str
    label: str
    after: tuple[str, ...]
    entries: tuple[Entry, ...]
    content: memoryview

    def content_of(self, entry: Entry) -> memoryview:
        """The content of a file that is not large."""
        return self.content[entry.place : entry.place + entry.size]


def write_delta(delta: Delta) -> Payload:
    """As it travels to other stages."""
    head = pickle.dumps((delta.stage, delta.label, delta.after, delta.entries), protocol=5)
    return Payload((pickle.PickleBuffer(head), pickle.PickleBuffer(delta.content)))


def read_delta(payload: Payload) -> Delta:
    """What `write_delta` wrote."""
    head, content = (memoryview(buffer) for buffer in payload.buffers)
    stage, label, after, entries = pickle.loads(head)  # noqa: S301 - ours, and plain values
    return Delta(stage=stage, label=label, after=after, entries=entries, content=content)


def large_size(payload: Payload) -> int:
    """Bytes of the files that do not travel with a delta."""
    entries = read_delta(payload).entries
    return sum(entry.stored.content.size for entry in entries if entry.stored is not None)


def rehome(payload: Payload, scratch: Scratch) -> Payload:
    """The same delta, with its large files copied to another folder of the store.

    The scratch space of an attempt is removed when it ends; what is kept for longer must
    not depend on it.

    Raises:
        NotFoundError: A file has been removed from the store.
        DataLossError: The stored bytes of a file were changed or lost.
    """
    delta = read_delta(payload)
    if all(entry.stored is None for entry in delta.entries):
        return payload
    entries = tuple(
        entry if entry.stored is None else replace(entry, stored=scratch.copy(entry.stored))
        for entry in delta.entries
    )
    return write_delta(replace(delta, entries=entries))
