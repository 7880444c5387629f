"""Reading what an HTTP service answers.

As much of HTTP/1.1 as a service that serves objects speaks. For a small object the parser
of the standard library, made for e-mail, would take longer than everything else together.
"""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

_LONGEST_LINE = 64 << 10
_MOST_LINES = 200
_CONTINUE = range(100, 200)
_NO_CONTENT = (204, 304)


class Stream(Protocol):
    """Bytes from a service, blocking until they are there."""

    def readline(self, limit: int, /) -> bytes:
        """Read a line with its end; less at the end of the stream, or at the limit."""

    def read(self, size: int = -1, /) -> bytes:
        """Read so many bytes; fewer only at the end of the stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a service says to a request, read to its end.

    Attributes:
        status: Of HTTP.
        headers: By names in lower case.
        content: The body.
        keeps_open: Whether the connection can be used for another request.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    keeps_open: bool


def read_answer(stream: Stream, method: str) -> Answer:
    """Read the answer to a request of this method.

    Raises:
        http.client.HTTPException: It is none, or breaks off.
        OSError: The connection breaks.
    """
    status, version = _read_status(stream)
    while status in _CONTINUE:
        _read_headers(stream)
        status, version = _read_status(stream)
    headers = _read_headers(stream)
    kept = headers.get("connection", "keep-alive" if version == b"HTTP/1.1" else "close")
    content, has_end = _read_content(stream, headers, is_empty=_is_empty(method, status))
    return Answer(
        status=status,
        headers=headers,
        content=content,
        keeps_open=has_end and kept.lower() != "close",
    )


def _is_empty(method: str, status: int) -> bool:
    return method == "HEAD" or status in _NO_CONTENT


def _read_status(stream: Stream) -> tuple[int, bytes]:
    line = stream.readline(_LONGEST_LINE)
    if not line:
        raise http.client.RemoteDisconnected("the connection was closed without an answer")
    version, _, rest = line.rstrip(b"\r\n").partition(b" ")
    status = rest[:3]
    if not version.startswith(b"HTTP/1.") or not status.isdigit() or rest[3:4].strip():
        raise http.client.BadStatusLine(repr(line[:80]))
    return int(status), version


def _read_headers(stream: Stream) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(_MOST_LINES):
        line = stream.readline(_LONGEST_LINE)
        if line in (b"\r\n", b"\n"):
            return headers
        if not line.endswith(b"\n"):
            raise http.client.IncompleteRead(line[:80])
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    raise http.client.HTTPException("the answer has too many headers")


def _read_content(
    stream: Stream, headers: Mapping[str, str], *, is_empty: bool
) -> tuple[bytes, bool]:
    """The body, and whether it ends before the connection does."""
    if is_empty:
        return b"", True
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _read_chunked(stream), True
    length = headers.get("content-length")
    if length is None:
        return stream.read(), False
    if not (length.isascii() and length.isdecimal()):
        raise http.client.HTTPException(f"the answer has a length of {length[:80]!r}")
    return _read_whole(stream, int(length)), True


def _read_chunked(stream: Stream) -> bytes:
    chunks: list[bytes] = []
    while True:
        size = stream.readline(_LONGEST_LINE).partition(b";")[0].strip()
        try:
            length = int(size, 16)
        except ValueError:
            raise http.client.IncompleteRead(size[:80]) from None
        if length <= 0:
            _read_headers(stream)
            return b"".join(chunks)
        chunks.append(_read_whole(stream, length))
        stream.readline(_LONGEST_LINE)


def _read_whole(stream: Stream, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise http.client.IncompleteRead(content[:80], size - len(content))
    return content
