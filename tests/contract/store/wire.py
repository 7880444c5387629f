"""A connection that breaks: for tests of what an interrupted upload leaves."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Wire:
    """Passes bytes on to a service until a limit, then breaks: for good, unless it heals."""

    def __init__(self, endpoint: str, limit: int, *, heals: bool = False) -> None:
        host, port = endpoint.split(":")
        self.sent = 0
        self._target = (host, int(port))
        self._limit = limit
        self._heals = heals
        self._was_cut = False
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        self.endpoint = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)

    @property
    def is_cut(self) -> bool:
        """Whether the limit was reached."""
        return self._was_cut

    def close(self) -> None:
        """Break it, and end all threads."""
        self._cut()
        for thread in self._threads:
            thread.join(30)
        for each in self._sockets:
            each.close()

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _cut(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                self._start(self._send, client, server)
                self._start(self._receive, server, client)

    def _send(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while content := client.recv(1 << 16):
                with self._lock:
                    self.sent += len(content)
                    breaks = self.sent > self._limit and not (self._was_cut and self._heals)
                    self._was_cut |= breaks
                if breaks and not self._heals:
                    self._cut()
                if breaks:
                    break
                server.sendall(content)
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR if self.is_cut else socket.SHUT_WR)
        if self.is_cut:
            # At once and with an error: who is only told of the end may go on sending.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()

    def _receive(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while content := server.recv(1 << 16):
                client.sendall(content)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def breaking_wire(endpoint: str, limit: int, *, heals: bool = False) -> Iterator[Wire]:
    """A way to `endpoint` that breaks once more than `limit` bytes were sent.

    When it heals, only the connection that sent the last of them breaks.
    """
    wire = Wire(endpoint, limit, heals=heals)
    try:
        yield wire
    finally:
        wire.close()
