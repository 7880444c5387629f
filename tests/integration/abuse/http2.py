"""As much of HTTP/2 as it takes to misbehave: frames over a socket, headers without compression."""

import socket
import struct
from collections.abc import Iterable, Iterator
from typing import Final, Self

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST, SETTINGS, PING, CONTINUATION = 0, 1, 3, 4, 6, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
LARGEST: Final = 16_384
Header = tuple[bytes, bytes]


class RawConnection:
    """A connection that does exactly what it is told, and reads nothing unless told to."""

    def __init__(self, address: str, *, preface: bool = True) -> None:
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self._last = -1
        if preface:
            self.send(PREFACE + frame(SETTINGS, 0, 0, b""))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """Send; False when the server has hung up, which is its right."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def begin(self, method: str, *more: Header, flags: int = 0) -> int:
        """Begin a call; the number of its stream."""
        self._last += 2
        block = headers(
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", method.encode()),
            (b":authority", b"localhost"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
            *more,
        )
        pieces = [block[at : at + LARGEST] for at in range(0, len(block), LARGEST)]
        for index, piece in enumerate(pieces):
            last = END_HEADERS if index == len(pieces) - 1 else 0
            kind = CONTINUATION if index else HEADERS
            if not self.send(frame(kind, last | (0 if index else flags), self._last, piece)):
                break
        return self._last

    def read_frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Kind, flags, stream and payload of each frame, until the server hangs up."""
        buffer = b""
        while True:
            while len(buffer) >= 9 and len(buffer) >= 9 + int.from_bytes(buffer[:3], "big"):
                end = 9 + int.from_bytes(buffer[:3], "big")
                stream = int.from_bytes(buffer[5:9], "big")
                yield buffer[3], buffer[4], stream, buffer[9:end]
                buffer = buffer[end:]
            try:
                more = self.socket.recv(65536)
            except ConnectionError:
                return
            if not more:
                return
            buffer += more

    def settle(self) -> bool:
        """Wait until the server has taken all that was sent; False when it has hung up."""
        self.send(frame(PING, 0, 0, b"settled?"))
        return any(
            kind == PING and flags & ACK and payload == b"settled?"
            for kind, flags, _, payload in self.read_frames()
        )

    def data(self, stream: int, content: bytes, *, flags: int = 0) -> bool:
        return self.send(frame(DATA, flags, stream, content))


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        struct.pack(">I", len(payload))[1:]
        + bytes([kind, flags])
        + struct.pack(">I", stream)
        + payload
    )


def headers(fields: Header, *more: Header) -> bytes:
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in (fields, *more))


def message(content: bytes, size: int | None = None) -> bytes:
    """A gRPC message; `size` may lie."""
    return b"\0" + struct.pack(">I", len(content) if size is None else size) + content


def close_all(connections: Iterable[RawConnection]) -> None:
    for connection in connections:
        connection.close()


def _text(text: bytes) -> bytes:
    """A string literal with its length as a 7-bit prefix integer."""
    length = len(text)
    if length < 127:
        return bytes([length]) + text
    out = bytearray([127])
    length -= 127
    while length > 127:
        out.append(length & 127 | 128)
        length >>= 7
    return bytes([*out, length]) + text
