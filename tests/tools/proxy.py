"""A TCP proxy that can do to a connection what networks do: delay, drop, slow down, cut."""

import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

_CHUNK = 65536
_UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How the network is.

    Attributes:
        is_open: Whether anybody is let in.
        delay: Seconds that every piece of data takes longer, each up to twice as long.
        bytes_per_second: How much goes through each direction of a connection; 0 for all.
        drops_requests: Whether what clients send is lost, while connections stay.
        drops_answers: Whether what servers send is lost, while connections stay.
        cut_after: A connection is reset after so many bytes of the client; 0 for never.
        unavailable: Part of new connections, from 0 to 1, that get HTTP 503 for an answer.
    """

    is_open: bool = True
    delay: float = 0.0
    bytes_per_second: int = 0
    drops_requests: bool = False
    drops_answers: bool = False
    cut_after: int = 0
    unavailable: float = 0.0


class Proxy:
    """Listens on loopback, and passes on to a target.

    Attributes:
        address: HOST:PORT where it listens.
        resets: How many connections it has reset.
        refused: How many got an HTTP 503.
    """

    def __init__(self, target: str, *, seed: int = 0, listen: str = "127.0.0.1") -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._random = random.Random(seed)
        self._weather = Weather()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._listener = socket.create_server((listen, 0), backlog=128)
        self.address = f"{listen}:{self._listener.getsockname()[1]}"
        self.resets = self.refused = 0
        self._is_closed = False
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def become(self, **changes: object) -> None:
        """Change the weather, from fair; connections that exist feel it as well."""
        self._weather = replace(Weather(), **changes)  # type: ignore[arg-type]
        if not self._weather.is_open or self._weather.unavailable:
            self.cut()

    @contextlib.contextmanager
    def weather(self, **changes: object) -> Iterator[None]:
        """`become` for a while; then it is fair again, and old connections are cut."""
        self.become(**changes)
        try:
            yield
        finally:
            self.become()
            self.cut()

    def cut(self) -> None:
        """Reset all connections."""
        with self._lock:
            connections, self._connections = self._connections, set()
        for connection in connections:
            _reset(connection)
        self.resets += len(connections) // 2

    def close(self) -> None:
        """End it."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        weather = self._weather
        if not weather.is_open:
            _reset(client)
            return
        if weather.unavailable and self._random.random() < weather.unavailable:
            self.refused += 1
            with contextlib.suppress(OSError):
                client.recv(_CHUNK)
                client.sendall(_UNAVAILABLE)
            client.close()
            return
        try:
            server = socket.create_connection(self._target, 5)
        except OSError:
            _reset(client)
            return
        server.settimeout(None)
        with self._lock:
            self._connections |= {client, server}
        answering = threading.Thread(target=self._pass, args=(server, client, False), daemon=True)
        answering.start()
        self._pass(client, server, True)
        answering.join()
        with self._lock:
            self._connections -= {client, server}
        client.close()
        server.close()

    def _pass(self, source: socket.socket, target: socket.socket, is_request: bool) -> None:
        passed = 0
        try:
            while data := source.recv(_CHUNK):
                weather = self._weather
                if weather.drops_requests if is_request else weather.drops_answers:
                    continue
                passed += len(data)
                if weather.delay:
                    time.sleep(weather.delay * (1 + self._random.random()))
                if weather.bytes_per_second:
                    time.sleep(len(data) / weather.bytes_per_second)
                if is_request and weather.cut_after and passed > weather.cut_after:
                    self.resets += 1
                    _reset(target)
                    _reset(source)
                    return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for each in (source, target):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


def _reset(connection: socket.socket) -> None:
    """Close it as a broken one; also if another thread reads it."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        connection.close()


@contextlib.contextmanager
def proxy(target: str, *, seed: int = 0) -> Iterator[Proxy]:
    """A proxy before a target (HOST:PORT), and its end."""
    made = Proxy(target, seed=seed)
    try:
        yield made
    finally:
        made.close()
