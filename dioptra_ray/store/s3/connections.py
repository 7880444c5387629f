"""Connections to an S3 service, kept open between requests."""

import http.client
import os
import socket
import ssl
import weakref
from collections import deque
from collections.abc import Mapping
from contextlib import suppress

from dioptra_ray.store.s3.answers import Answer, read_answer

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
_SEND = 256 << 10
_JOINED = 64 << 10
_MOST_IDLE = 32


class StaleConnectionError(ConnectionError):
    """The service has closed a kept connection while it was idle: another one will do."""


class Connections:
    """Connections to one host; each is used by one thread at a time."""

    def __init__(self, host: str, *, context: ssl.SSLContext | None) -> None:
        """`host` may end in a port; with a context they speak TLS."""
        name, _, port = host.rpartition(":")
        if not port.isdecimal():
            name, port = host, "443" if context else "80"
        self._name = name.removeprefix("[").removesuffix("]")
        self._port = int(port)
        self._context = context
        self._idle: deque[_Wire] = deque()
        self._owner = os.getpid()
        weakref.finalize(self, _close, self._idle)

    def exchange(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request and read the whole answer.

        Raises:
            StaleConnectionError: Try again at once.
            OSError: The service cannot be reached, or breaks off.
            http.client.HTTPException: It does not answer as HTTP says.
        """
        wire, is_fresh = self._connection()
        try:
            answer, is_open = wire.exchange(method, target, headers, body)
        except BaseException as error:
            wire.close()
            if not is_fresh and isinstance(error, ConnectionError):
                raise StaleConnectionError(str(error)) from error
            raise
        if is_open and len(self._idle) < _MOST_IDLE:
            self._idle.append(wire)
        else:
            wire.close()
        return answer

    def _connection(self) -> tuple["_Wire", bool]:
        if self._owner != os.getpid():
            # A child must not speak where its parent does.
            self._owner = os.getpid()
            _close(self._idle)
        # The one used last: the others get old, and the service closes them.
        with suppress(IndexError):
            return self._idle.pop(), False
        plain = socket.create_connection((self._name, self._port), CONNECT_SECONDS)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                plain = self._context.wrap_socket(plain, server_hostname=self._name)
            plain.settimeout(READ_SECONDS)
        except BaseException:
            plain.close()
            raise
        return _Wire(plain), True


class _Wire:
    """One connection."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._reader = connected.makefile("rb")

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Answer, bool]:
        """Send a request; returns the answer, and whether another one may be sent."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode()
        broken = self._send(head, body)
        try:
            answer = read_answer(self._reader, method)
        except (OSError, http.client.HTTPException):
            if broken is not None:
                raise broken from None
            raise
        return answer, answer.keeps_open and broken is None

    def close(self) -> None:
        """Hang up."""
        self._reader.close()
        self._socket.close()

    def _send(self, head: bytes, body: bytes) -> ConnectionError | None:
        """Send it all; a service that refuses may hang up before the end, and say why."""
        try:
            if len(body) <= _JOINED:
                # One packet instead of two, and one call less on both sides.
                self._socket.sendall(head + body)
                return None
            self._socket.sendall(head)
            view = memoryview(body)
            # Piece by piece, since a timeout is for the whole of what one call sends.
            for begin in range(0, len(view), _SEND):
                self._socket.sendall(view[begin : begin + _SEND])
        except ConnectionError as error:
            return error
        return None


def _close(idle: "deque[_Wire]") -> None:
    with suppress(IndexError):
        while True:
            idle.pop().close()
