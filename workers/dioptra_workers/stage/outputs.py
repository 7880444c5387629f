"""What child processes, C libraries and raw writes say: file descriptors 1 and 2.

While a stage runs, both lead to files of that stage; what has arrived there is taken into
its journal whenever somebody looks. Files and no pipes: writing to them never blocks, what
was said right before a crash can be read after it, and a child process that outlives its
stage goes on writing where it does not disturb the next one.
"""

import contextlib
import fcntl
import functools
import os
from collections.abc import Callable
from pathlib import Path

from dioptra_workers.stage.health import spoil

Say = Callable[[str, bytes, int], None]
"""Gets the name of a stream, what was written to it, and where in its file that ends."""

STREAMS = {1: "stdout", 2: "stderr"}
STREAM_LEVELS = {1: "INFO", 2: "WARNING"}
_FIRST_COPY = 100
_PIECE = 1024 * 1024
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC


def file_of(work: Path, stream: str) -> Path:
    """Where the stage that works in this directory writes a stream to."""
    return work.with_name(f"{work.name}.{stream}")


def remove_files(work: Path) -> None:
    """Remove them."""
    for stream in STREAMS.values():
        file_of(work, stream).unlink(missing_ok=True)


@functools.cache
def _originals() -> dict[int, int]:
    """Copies of the descriptors 0 to 2, as the process has had them at its start."""
    copies = {}
    for descriptor in (0, 1, 2):
        try:
            copies[descriptor] = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_COPY)
        except OSError:  # closed: there is nothing to go back to but this
            nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            copies[descriptor] = fcntl.fcntl(nothing, fcntl.F_DUPFD_CLOEXEC, _FIRST_COPY)
            os.close(nothing)
    return copies


def remember() -> None:
    """Keep what the descriptors lead to now; once a process, before anybody's code runs."""
    _originals()


def say_aside(line: bytes) -> None:
    """Write to where the process's own standard error led at its start."""
    with contextlib.suppress(OSError):
        os.write(_originals()[2], line + b"\n")


class Outputs:
    """The two files of one stage."""

    def __init__(self, work: Path, say: Say) -> None:
        _originals()
        self._say = say
        self._places: dict[str, int] = {}
        self._taken = dict.fromkeys(STREAMS.values(), 0)
        for descriptor, stream in STREAMS.items():
            place = self._places[stream] = os.open(file_of(work, stream), _FLAGS, 0o600)
            os.dup2(place, descriptor)

    def take(self) -> None:
        """Say what has been written since the last time."""
        taken = self._taken
        for stream, place in self._places.items():
            while content := os.pread(place, _PIECE, taken[stream]):
                taken[stream] += len(content)
                self._say(stream, content, taken[stream])

    def close(self) -> None:
        """Let the descriptors lead to where they led before, whatever a step did to them."""
        try:
            with contextlib.suppress(OSError):  # a step may have closed what is not its own
                self.take()
        finally:
            for place in self._places.values():
                with contextlib.suppress(OSError):
                    os.close(place)
            self._places = {}
            restore()


def restore() -> None:
    """Have the descriptors 0 to 2 as they were."""
    try:
        for descriptor, original in _originals().items():
            os.dup2(original, descriptor)
    except OSError:
        spoil("A step has closed descriptors that were not its own.")
