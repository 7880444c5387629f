"""What an artifact store stands on: named byte strings, written whole or not at all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

CHUNK = 1 << 20
"""Bytes of a piece of a stream."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """An object that was begun and has not become visible.

    Attributes:
        name: The name that it is to have; empty when that is not known.
        begun: When, in seconds since 1970 by the store's clock.
        token: How the store finds it.
        size: Bytes, as far as that is known.
    """

    name: str
    begun: float
    token: str
    size: int = 0


class Objects(Protocol):
    """Named objects in one place. May be used from many threads.

    Implementations raise the errors of `dioptra_ray.errors` only. An object is visible
    when it is complete, never before, and replaces an earlier one in one instant.
    """

    url: str
    """Where they are, without credentials."""
    parallelism: int
    """How many transfers at once are worth it."""

    def write(self, name: str, content: bytes, *, media_type: str = "", sha256: str = "") -> None:
        """Write a small object; `sha256`, in hexadecimal, spares computing it again."""

    def write_stream(
        self, name: str, content: Readable, size: int, *, media_type: str = ""
    ) -> None:
        """Write an object of `size` bytes, reading `content` once, in order, in pieces.

        Raises:
            EOFError: There are fewer bytes; there is no object then.
        """

    def read(self, name: str) -> bytes | None:
        """The content of a small object; None when there is none."""

    def chunks(
        self, name: str, size: int, *, begin: int = 0, ahead: bool = False
    ) -> Iterator[bytes]:
        """The content in pieces of at most 1 MiB, or some MiB `ahead`. Raises NotFoundError.

        Args:
            name: Of the object.
            size: Bytes that it should have; fewer come when it has fewer, and more when it
                has more.
            begin: The first byte.
            ahead: Whether to fetch several pieces at once, which takes memory that all
                transfers share: only for who takes each piece at once.
        """

    def exists(self, name: str) -> bool:
        """Whether there is an object of this name."""

    def delete(self, name: str) -> None:
        """Delete an object; no error when there is none."""

    def delete_below(self, folder: str) -> None:
        """Delete every object whose name begins with `folder` and a slash."""

    def delete_many(self, names: Iterable[str]) -> None:
        """Delete these objects; no error for one that there is not."""

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin with `prefix`, sorted."""

    def entries(self, prefix: str) -> Iterator[ObjectInfo]:
        """The objects whose names begin with `prefix`, sorted by name."""

    def unfinished(self) -> Iterator[Unfinished]:
        """The objects that were begun, by whoever still writes them or was interrupted."""

    def abort(self, begun: Unfinished) -> None:
        """Throw away what was begun; no error when it is gone, or complete."""

    def presign(self, name: str, seconds: float) -> str | None:
        """An address from which anybody can fetch an object for so long; None without one."""

    def check(self) -> None:
        """See `ArtifactStore.check`."""
