"""Brings everything that a step says into the stage's journal.

`logging`, structlog and printed lines all arrive in one order. The handler and the two
streams live as long as the process and write to whatever journal is bound, because plugin
modules keep references to them from one job to the next.
"""

import io
import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

from dioptra_workers.stage.journal import LONGEST_MESSAGE, Journal

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class _Bound:
    """The journal that gets everything now."""

    journal: Journal | None = None


def level_name(number: int) -> str:
    """The standard level that `number` reaches."""
    return _LEVELS[max(0, min(number // 10, len(_LEVELS)) - 1)]


class _JournalHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        journal = _Bound.journal
        if journal is None:
            return
        try:
            message = record.getMessage()
            if record.exc_info and record.exc_info[0] is not None:
                message += "\n" + _EXCEPTIONS.formatException(record.exc_info)
            if record.stack_info:
                message += "\n" + record.stack_info
        except Exception:  # noqa: BLE001 - a message that cannot be formatted must not fail a step
            message = f"{record.msg!s} {record.args!r}"
        journal.log(level_name(record.levelno), record.name, message, record.created)


class _LineWriter(io.RawIOBase):
    """A binary stream whose lines become log lines of one logger."""

    def __init__(self, name: str, level: str, original: TextIO | None) -> None:
        self._name = name
        self._level = level
        self._original = original
        self._partial = b""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        if self._original is None:
            raise io.UnsupportedOperation("fileno")
        return self._original.fileno()

    def write(self, data: Any) -> int:
        text = bytes(data)
        *lines, self._partial = (self._partial + text).split(b"\n")
        for line in lines:
            self._say(line)
        if len(self._partial) > LONGEST_MESSAGE:
            self.finish()
        return len(text)

    def finish(self) -> None:
        """Say what was printed without a line end."""
        line, self._partial = self._partial, b""
        if line:
            self._say(line)

    def _say(self, line: bytes) -> None:
        # A progress bar draws over itself: its last state is what a person would see.
        shown = next((part for part in reversed(line.split(b"\r")) if part), b"")
        if (journal := _Bound.journal) is not None:
            journal.log(self._level, self._name, shown.decode("utf-8", "replace"))
        elif self._original is not None:
            self._original.write(shown.decode("utf-8", "replace") + "\n")


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
_writers: dict[str, tuple[_LineWriter, TextIO]] = {}


def _stream(name: str, level: str, original: TextIO) -> TextIO:
    if name not in _writers:
        writer = _LineWriter(name, level, original)
        raw: Any = writer
        # Unbuffered: every print is in the journal before the next statement runs.
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors="replace", write_through=True)
        _writers[name] = writer, stream
    return _writers[name][1]


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
    sys.stdout = _stream("stdout", "INFO", sys.stdout)
    sys.stderr = _stream("stderr", "WARNING", sys.stderr)


@contextmanager
def capture(journal: Journal) -> Iterator[None]:
    """Bind `journal`; whoever calls this restores logging and streams afterwards."""
    install()
    structlog.contextvars.clear_contextvars()
    _Bound.journal = journal
    try:
        yield
    finally:
        finish_lines()
        _Bound.journal = None


def finish_lines() -> None:
    """Say what was printed without a line end: a step is over."""
    for writer, _ in _writers.values():
        writer.finish()
