"""What a stage said whose process died, read on its node from what it left there."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from dioptra_workers.stage.events import Event, LogLine, StepChanged
from dioptra_workers.stage.journal import journal_of, read_journal
from dioptra_workers.stage.live import TIMEOUT_MARK


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWords:
    """What was found.

    Attributes:
        events: The events that were not delivered.
        step: The step that was running; empty for none.
    """

    events: tuple[Event, ...]
    step: str


def last_words(scratch_dir: str, directory: str, first: int) -> LastWords | None:
    """Read the journal of a dead stage from event `first` on, and remove its directory.

    None means that the stage left nothing on this node.
    """
    work = Path(scratch_dir) / "stages" / directory
    journal = journal_of(work)
    try:
        events = tuple(read_journal(journal))
    except FileNotFoundError:
        return None
    finally:
        shutil.rmtree(work, ignore_errors=True)
        journal.unlink(missing_ok=True)
    return LastWords(events=events[first:], step=running_step(events))


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
