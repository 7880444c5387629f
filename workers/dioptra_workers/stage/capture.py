"""Brings everything that a step says into the stage's journal.

`logging`, structlog and printed lines all arrive in one order, and between them what child
processes and C libraries write to the descriptors. The handler and the two streams live as
long as the process and write to whatever journal is bound, because plugin modules keep
references to them from one job to the next.

Threads that were there before the stage are not of the stage: what they say goes to the
process's own standard error.
"""

import ctypes
import functools
import io
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import structlog

from dioptra_workers.stage import exits
from dioptra_workers.stage.journal import LONGEST_MESSAGE, Journal
from dioptra_workers.stage.outputs import (
    STREAM_LEVELS,
    STREAMS,
    Outputs,
    remember,
    restore,
    say_aside,
)

STALLED_SECONDS = 0.4
"""A line that was begun so long ago is said although it has not ended."""

BAR_SECONDS = 5.0
"""So often the present state of a progress bar is said."""

_LINE_BUFFERED = 1  # _IOLBF of stdio.h
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class _Bound:
    """The journal that gets everything now, and who does not belong to it."""

    journal: Journal | None = None
    outputs: Outputs | None = None
    process = 0
    strangers: frozenset[threading.Thread] = frozenset()


# Reentrant: an interruption may be raised in this thread while it holds the lock.
_taking = threading.RLock()


def _journal_of_caller() -> Journal | None:
    """Where the present thread speaks; all that was written before to descriptors is there."""
    journal = _Bound.journal
    if journal is None or threading.current_thread() in _Bound.strangers:
        return None
    take_outputs()
    return journal


def take_outputs() -> None:
    """Take what arrived at the descriptors."""
    outputs = _Bound.outputs
    if outputs is not None and os.getpid() == _Bound.process:
        with _taking:
            outputs.take()


def _take_all() -> None:
    """Take what arrived, and what was printed a while ago though its line has not ended."""
    take_outputs()
    journal, now = _Bound.journal, time.monotonic()
    if journal is not None:
        for writer in (*(writer for writer, _ in _writers.values()), *_raw_writers.values()):
            writer.say_stalled(journal, now)


def level_name(number: int) -> str:
    """The standard level that `number` reaches."""
    return _LEVELS[max(0, min(number // 10, len(_LEVELS)) - 1)]


class _JournalHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        journal = _journal_of_caller()
        try:
            message = record.getMessage()
            if record.exc_info and record.exc_info[0] is not None:
                message += "\n" + _EXCEPTIONS.formatException(record.exc_info)
            if record.stack_info:
                message += "\n" + record.stack_info
        except Exception:  # noqa: BLE001 - a message that cannot be formatted must not fail a step
            message = f"{record.msg!s} {record.args!r}"
        level = level_name(record.levelno)
        if journal is None:
            say_aside(f"{level} {record.name} {message}".encode("utf-8", "replace"))
        else:
            journal.log(level, record.name, message, record.created)


class _LineWriter(io.RawIOBase):
    """A binary stream whose lines become log lines of one logger."""

    def __init__(self, number: int, find: Callable[[], Journal | None]) -> None:
        self._number = number
        self._name = STREAMS[number]
        self._level = STREAM_LEVELS[number]
        self._find = find
        # Reentrant, for the same reason as below.
        self._lock = threading.RLock()
        self._partial = b""
        self._since = 0.0
        self._drawn = 0.0

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def write(self, data: Any) -> int:
        text = bytes(data)
        with self._lock:
            if not self._partial:
                self._since = time.monotonic()
            *lines, self._partial = (self._partial + text).split(b"\n")
            for line in lines:
                self._say(line, self._find())
            if len(self._partial) > LONGEST_MESSAGE:
                self.finish()
        return len(text)

    @property
    def unsaid(self) -> int:
        """Bytes of a line that has not ended."""
        return len(self._partial)

    def finish(self) -> None:
        """Say what was printed without a line end."""
        with self._lock:
            line, self._partial = self._partial, b""
            if line:
                self._say(line, self._find())

    def say_stalled(self, journal: Journal, now: float) -> None:
        """Say what nobody has added to for a while, and now and then how far a bar is."""
        with self._lock:
            is_bar = b"\r" in self._partial
            since, wait = (self._drawn, BAR_SECONDS) if is_bar else (self._since, STALLED_SECONDS)
            if not self._partial or now - since < wait:
                return
            if is_bar:
                self._drawn = now
            line, self._partial = self._partial, b""
            self._say(line, journal)

    def _say(self, line: bytes, journal: Journal | None) -> None:
        # A progress bar draws over itself: its last state is what a person would see.
        shown = next((part for part in reversed(line.split(b"\r")) if part), b"")
        if journal is not None:
            journal.log(self._level, self._name, shown.decode("utf-8", "replace"))
        else:
            say_aside(shown)


def render_event(
    _logger: Any, _method: str, event_dict: MutableMapping[str, Any]
) -> tuple[tuple[str], dict[str, Any]]:
    """Turn a structlog event into one text: `event key=value ...`, then any traceback."""
    event = str(event_dict.pop("event", ""))
    trace = event_dict.pop("exception", None)
    stack = event_dict.pop("stack", None)
    words = [event, *(f"{key}={value!r}" for key, value in event_dict.items())]
    text = "\n".join([" ".join(filter(None, words)), *filter(None, (stack, trace))])
    return (text,), {}


_EXCEPTIONS = logging.Formatter()
_HANDLER = _JournalHandler()
_PROCESSORS = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.filter_by_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    render_event,
)
_writers: dict[int, tuple[_LineWriter, TextIO]] = {}
_raw_writers = {number: _LineWriter(number, lambda: _Bound.journal) for number in STREAMS}


def _stream(number: int) -> TextIO:
    if number not in _writers or _writers[number][1].closed:
        writer = _LineWriter(number, _journal_of_caller)
        raw: Any = writer
        # Unbuffered: every print is in the journal before the next statement runs.
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors="replace", write_through=True)
        _writers[number] = writer, stream
    return _writers[number][1]


def _say_raw(stream: str, content: bytes, end: int) -> None:
    writer = _raw_writers[1 if stream == STREAMS[1] else 2]
    writer.write(content)
    if (journal := _Bound.journal) is not None:
        # Afterwards: whoever looks at what a killed process left may see something twice,
        # but misses nothing.
        journal.note_taken(stream, end - writer.unsaid)


def install() -> None:
    """Let logging, structlog and the two streams lead here.

    A worker process does it once at its start, so that it need not be done for each stage.
    """
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    root = logging.root
    root.handlers[:] = [_HANDLER]
    # Both of these throw all loggers' caches away.
    if root.level != logging.INFO:
        root.setLevel(logging.INFO)
    if root.manager.disable:
        logging.disable(logging.NOTSET)
    remember()
    exits.install(_note_exit)
    _buffer_lines_of_libraries()
    if sys.stdin is None or sys.stdin.closed:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - lives as long as the process
    sys.stdout = _stream(1)
    sys.stderr = _stream(2)


@functools.cache
def _buffer_lines_of_libraries() -> None:
    """Let what C libraries print arrive line by line, although it goes to a file."""
    with suppress(ValueError):  # a C library without such a name
        libc = ctypes.CDLL(None)
        stream = ctypes.c_void_p.in_dll(libc, "stdout")
        libc.setvbuf(stream, None, _LINE_BUFFERED, ctypes.c_size_t(0))


def _note_exit(code: int) -> None:
    if (journal := _Bound.journal) is not None and os.getpid() == _Bound.process:
        journal.note_exit(code)


@contextmanager
def capture(journal: Journal, work: Path | None = None) -> Iterator[None]:
    """Bind `journal`; whoever calls this restores logging and streams afterwards.

    Args:
        journal: Gets all that is said.
        work: The stage's directory, beside which its descriptors write; without one, they
            are left alone.
    """
    install()
    structlog.contextvars.clear_contextvars()
    current = threading.current_thread()
    _Bound.strangers = frozenset(thread for thread in threading.enumerate() if thread != current)
    _Bound.process = os.getpid()
    _Bound.journal = journal
    if work is not None:
        _Bound.outputs = Outputs(work, _say_raw)
        journal.listen(_take_all)
    try:
        yield
    finally:
        try:
            finish_lines()
        finally:
            outputs, _Bound.outputs = _Bound.outputs, None
            if outputs is not None:
                with _taking:
                    outputs.close()
            else:
                restore()
            for writer in _raw_writers.values():
                writer.finish()
            _Bound.journal = None


def finish_lines() -> None:
    """Say what was printed without a line end: a step is over."""
    take_outputs()
    for writer, _ in _writers.values():
        writer.finish()
    for raw in _raw_writers.values():
        raw.finish()
