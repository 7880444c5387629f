"""Python values between a worker process and the fresh process that it has a stage run in.

Both run what the user wrote, so pickles are no more than either could do anyway. Large
buffers travel beside the pickle, and are not copied into it.
"""

import pickle
import socket
import struct
from typing import Any

_COUNT = struct.Struct("!I")
_SIZE = struct.Struct("!Q")


class Channel:
    """One end of a stream socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def send(self, value: Any) -> None:
        """Send a value.

        Raises:
            OSError: The other side is gone.
        """
        buffers: list[pickle.PickleBuffer] = []
        stream = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        parts = [memoryview(stream), *(buffer.raw() for buffer in buffers)]
        sizes = b"".join(_SIZE.pack(part.nbytes) for part in parts)
        self._socket.sendall(_COUNT.pack(len(parts)) + sizes)
        for part in parts:
            self._socket.sendall(part)

    def receive(self) -> Any:
        """Wait for a value.

        Raises:
            EOFError: The other side is gone.
            OSError: Likewise.
        """
        (count,) = _COUNT.unpack(self._read(_COUNT.size))
        sizes = [_SIZE.unpack(self._read(_SIZE.size))[0] for _ in range(count)]
        stream, *buffers = [self._read(size) for size in sizes]
        return pickle.loads(stream, buffers=buffers)  # noqa: S301 - see above

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _read(self, size: int) -> bytearray:
        content = bytearray(size)
        view = memoryview(content)
        while view:
            count = self._socket.recv_into(view)
            if not count:
                raise EOFError
            view = view[count:]
        return content
