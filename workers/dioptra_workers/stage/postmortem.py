"""What a stage said whose process died, read on its node from what it left there."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dioptra_workers.stage.descendants import end_those_in
from dioptra_workers.stage.events import Event, LogLine, StepChanged
from dioptra_workers.stage.journal import (
    children_file,
    clean,
    journal_of,
    read_exit,
    read_journal,
    read_taken,
)
from dioptra_workers.stage.live import TIMEOUT_MARK
from dioptra_workers.stage.outputs import STREAM_LEVELS, STREAMS, file_of, remove_files

_FAULTS = {
    "Segmentation fault": "SIGSEGV",
    "Aborted": "SIGABRT",
    "Floating point exception": "SIGFPE",
    "Bus error": "SIGBUS",
    "Illegal instruction": "SIGILL",
}
_FAULT = re.compile(
    rf"\*\*\* (?P<signal>SIG[A-Z]+) received|^Fatal Python error: (?P<fault>{'|'.join(_FAULTS)})"
)
MOST_UNSAID = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWords:
    """What was found.

    Attributes:
        events: The events that were not delivered.
        step: The step that was running; empty for none.
        signal: The signal that ended it, if it could still say so.
        exit_code: The code that it gave `os._exit`, if it did.
    """

    events: tuple[Event, ...]
    step: str
    signal: str = ""
    exit_code: int | None = None


def last_words(scratch_dir: str, directory: str, first: int) -> LastWords | None:
    """Read the journal of a dead stage from event `first` on, and remove its directory.

    None means that the stage left nothing on this node.
    """
    work = Path(scratch_dir) / "stages" / directory
    journal = journal_of(work)
    try:
        end_those_in(work)
        events = tuple(read_journal(journal))
        events += _unsaid(work, read_taken(journal), running_step(events))
        exit_code = read_exit(journal)
    except FileNotFoundError:
        return None
    finally:
        shutil.rmtree(work, ignore_errors=True)
        journal.unlink(missing_ok=True)
        children_file(journal).unlink(missing_ok=True)
        remove_files(work)
    return LastWords(
        events=events[first:],
        step=running_step(events),
        signal=_signal(events),
        exit_code=exit_code,
    )


def _unsaid(work: Path, taken: Mapping[str, int], step: str) -> tuple[LogLine, ...]:
    """What was written to descriptors and not yet said: often why a process has died."""
    lines = []
    for number, stream in STREAMS.items():
        try:
            file = file_of(work, stream)
            at, content = file.stat().st_mtime, file.read_bytes()[taken.get(stream, 0) :]
        except FileNotFoundError:
            continue
        for line in content[-MOST_UNSAID:].splitlines():
            text = clean(line.decode("utf-8", "replace"))
            lines.append(LogLine(at, STREAM_LEVELS[number], stream, step, text))
    return tuple(lines)


def _signal(events: tuple[Event, ...]) -> str:
    """The signal of which Ray's or Python's fault handler has written to standard error."""
    for event in reversed(events):
        if isinstance(event, LogLine) and (found := _FAULT.search(event.message)):
            return found["signal"] or _FAULTS.get(found["fault"], "")
    return ""


def killed_at_timeout(words: LastWords | None) -> LogLine | None:
    """What the stage's own watchdog said when it ended the process; None if it did not."""
    said = (event for event in (words.events if words else ()) if isinstance(event, LogLine))
    return next((line for line in said if line.message == TIMEOUT_MARK), None)


def running_step(events: tuple[Event, ...]) -> str:
    """The step that began last, unless it has ended."""
    for event in reversed(events):
        if isinstance(event, StepChanged):
            return event.step if event.phase == "running" else ""
    return ""
