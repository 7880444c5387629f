"""All that a stage says, in order, in memory and in a file.

Memory is what gets delivered. The file is for the case that the process dies before it
could deliver: it is written record by record, without a buffer of ours, so that whatever
was said before an `os._exit` or a kill is there to be read afterwards.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from dioptra_workers.stage.consumption import Consumption
from dioptra_workers.stage.events import (
    Event,
    LogLine,
    MetricLogged,
    Phase,
    StepChanged,
    read_line,
    write_line,
)

LONGEST_MESSAGE = 64 * 1024
_CUT = " ... (cut)"
NOTHING = Consumption()
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


def journal_of(work: Path) -> Path:
    """The journal file of the stage that works in this directory: beside it, not in it."""
    return work.with_name(work.name + ".journal")


def children_file(journal: Path) -> Path:
    """Where processes that a step has forked write what they say."""
    return journal.with_suffix(".children")


def clean(text: str) -> str:
    """Make `text` storable anywhere: valid Unicode without NUL, and of bounded length."""
    if len(text) > LONGEST_MESSAGE:
        text = text[: LONGEST_MESSAGE - len(_CUT)] + _CUT
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text.replace("\0", "\ufffd")


class Journal:
    """Ordered events of one stage; every method may be called from any thread.

    Attributes:
        step: The step that runs now; empty outside of steps.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        node: str = "",
        pid: int = 0,
        try_number: int = 0,
        gpus: tuple[str, ...] = (),
    ) -> None:
        self.step = ""
        self._aside = ""
        self._place = (node, pid, try_number)
        self._gpus = gpus
        # Reentrant: an interruption may be raised in this thread while it holds the lock.
        self._lock = threading.RLock()
        self._listen: Callable[[], None] | None = None
        self._process = os.getpid()
        self._path = path
        self._heard = 0
        self._events: list[Event] = []
        self._first = 0
        self._file = -1
        if path is not None:
            self._file = os.open(path, _APPEND, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file >= 0:
            self.hear_children()
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def log(self, level: str, logger: str, message: str, at: float | None = None) -> None:
        """Append a log line."""
        now = time.time() if at is None else at
        self._append(LogLine(now, level, clean(logger), self._aside or self.step, clean(message)))

    @contextmanager
    def aside(self, name: str) -> Iterator[None]:
        """Let log lines be of what has this name, which is no step."""
        self._aside = name
        try:
            yield
        finally:
            self._aside = ""

    def metric(self, name: str, step: int, value: float, at: float | None = None) -> None:
        """Append a metric value."""
        now = time.time() if at is None else at
        self._append(MetricLogged(now, name, step, value, self.step))

    def step_changed(
        self, step: str, phase: Phase, took: Consumption = NOTHING, exit_reason: str = ""
    ) -> None:
        """Append a step's change; `took` and how it ended are known at its end."""
        self._append(
            StepChanged(
                time.time(),
                step,
                phase,
                *self._place,
                took.cpu_seconds,
                took.peak_memory,
                self._gpus,
                clean(exit_reason),
            )
        )

    def note_taken(self, stream: str, end: int) -> None:
        """Note how much of a stream's file has been said, for `left_in_files`."""
        with self._lock:
            if self._file >= 0:
                os.write(self._file, b'["taken","%s",%d]\n' % (stream.encode(), end))

    def note_exit(self, code: int) -> None:
        """Note that the process ends now with this code, for `read_exit`."""
        # Without the lock: whoever holds it may never let go.
        if self._file >= 0:
            os.write(self._file, b'["exit",%d]\n' % (code & 0xFF))

    def listen(self, listen: Callable[[], None]) -> None:
        """Have this called before events are delivered, so that it can append some."""
        self._listen = listen

    def _append(self, event: Event) -> None:
        if os.getpid() != self._process:
            self._append_in_child(event)
            return
        with self._lock:
            self._events.append(event)
            if self._file >= 0:
                os.write(self._file, write_line(event))

    def pending(self) -> tuple[int, tuple[Event, ...]]:
        """Index of the first event that was not delivered, and all from there on."""
        if self._file >= 0:
            if self._listen is not None:
                self._listen()
            self.hear_children()
        with self._lock:
            return self._first, tuple(self._events)

    def _append_in_child(self, event: Event) -> None:
        """Leave it to the process that forked this one; whoever held our lock is not here."""
        if self._path is not None:
            file = os.open(children_file(self._path), _APPEND, 0o600)
            try:
                os.write(file, write_line(event))
            finally:
                os.close(file)

    def hear_children(self) -> None:
        """Append what forked processes have said."""
        if self._path is None or os.getpid() != self._process:
            return
        with self._lock:
            try:
                # Not open(): this runs after a step, which may have replaced that.
                file = os.open(children_file(self._path), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return
            try:
                content = os.pread(file, os.fstat(file).st_size - self._heard, self._heard)
            finally:
                os.close(file)
            complete = content[: content.rfind(b"\n") + 1]
            self._heard += len(complete)
            for line in complete.splitlines():
                if (event := read_line(line)) is not None:
                    self._append(event)

    def delivered(self, end: int) -> None:
        """Forget the events before index `end`."""
        with self._lock:
            if end > self._first:
                del self._events[: end - self._first]
                self._first = end


def read_taken(path: Path) -> dict[str, int]:
    """How much of each stream's file has been said, by stream."""
    taken = {}
    with path.open("rb") as file:
        for line in file:
            if line.startswith(b'["taken"') and line.endswith(b"\n"):
                _, stream, end = json.loads(line)
                taken[stream] = end
    return taken


def read_exit(path: Path) -> int | None:
    """The code with which a process has ended itself; None if it did not say so."""
    with path.open("rb") as file:
        for line in file:
            if line.startswith(b'["exit"') and line.endswith(b"\n"):
                return int(json.loads(line)[1])
    return None


def read_journal(path: Path, first: int = 0) -> Iterator[Event]:
    """The events from index `first` on that a process wrote before it died."""
    with path.open("rb") as file:
        for index, line in enumerate(file):
            event = read_line(line) if index >= first and line.endswith(b"\n") else None
            if event is not None:
                yield event
