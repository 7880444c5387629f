"""What an artifact store stands on: named byte strings, written whole or not at all."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


class Readable(Protocol):
    """Gives bytes, in order."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most `size` of them; empty at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """What is known of an object without reading it.

    Attributes:
        name: Its name; of a blob, its key.
        size: Bytes.
        modified: When it was written, in seconds since 1970 by the store's clock.
    """

    name: str
    size: int
    modified: float


class Objects(Protocol):
    """Named objects in one place. May be used from many threads.

    Implementations raise the errors of `dioptra_ray.errors` only. An object is visible
    when it is complete, never before, and replaces an earlier one in one instant.
    """

    url: str
    """Where they are, without credentials."""
    parallelism: int
    """How many transfers at once are worth it."""

    def write(self, name: str, content: bytes) -> None:
        """Write a small object."""

    def write_stream(self, name: str, content: Readable, size: int) -> None:
        """Write an object of `size` bytes, reading `content` once, in order, in pieces."""

    def read(self, name: str) -> bytes | None:
        """The content of a small object; None when there is none."""

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content in pieces of at most 1 MiB. Raises NotFoundError."""

    def exists(self, name: str) -> bool:
        """Whether there is an object of this name."""

    def delete(self, name: str) -> None:
        """Delete an object; no error when there is none."""

    def delete_below(self, folder: str) -> None:
        """Delete every object whose name begins with `folder` and a slash."""

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin with `prefix`, sorted."""

    def entries(self, prefix: str) -> Iterator[ObjectInfo]:
        """The objects whose names begin with `prefix`, sorted by name."""

    def check(self) -> None:
        """See `ArtifactStore.check`."""
