"""Notices on their way to other controllers, as short texts.

A telegram says who sent it and what has changed, never what it is now: whoever gets it reads
that from the database. What a newer version says and we do not know means "look again".
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dioptra_controller.jobs.notices import (
    JobChanged,
    JobEnded,
    RunnerCame,
    RunnerLost,
    SlotFreed,
    StopWanted,
    SweepChanged,
    WorkArrived,
)

# PostgreSQL takes less than 8000 bytes.
_LONGEST = 7900
_MOST_WORDS = 20_000


@dataclass(frozen=True, slots=True)
class EndedElsewhere:
    """A job has reached its final state on another controller; the database says which."""

    job_id: int


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Anything may have changed."""


News = (
    JobChanged
    | EndedElsewhere
    | SweepChanged
    | WorkArrived
    | SlotFreed
    | StopWanted
    | RunnerLost
    | RunnerCame
    | LookAgain
)
LOOK_AGAIN = '["*"]'
_KINDS: Mapping[str, Callable[..., News]] = {
    "J": JobChanged,
    "E": EndedElsewhere,
    "S": SweepChanged,
    "W": WorkArrived,
    # Whose slot it was is its own controller's business.
    "F": lambda: SlotFreed("", 0),
    "C": StopWanted,
    "L": RunnerLost,
    "R": RunnerCame,
}


def encode(notice: Any) -> str | None:
    """A notice as a word; None for one that concerns nobody else."""
    match notice:
        case JobChanged(job_id):
            word: list[Any] = ["J", job_id]
        case JobEnded(job_id=job_id):
            word = ["E", job_id]
        case SweepChanged(sweep_id):
            word = ["S", sweep_id]
        case WorkArrived():
            word = ["W"]
        case SlotFreed():
            word = ["F"]
        case StopWanted(runner_id, job_id, attempt):
            word = ["C", runner_id, job_id, attempt]
        case RunnerLost(runner_id, beat):
            word = ["L", runner_id, beat]
        case RunnerCame(runner_id, beat, controller):
            word = ["R", runner_id, beat, controller]
        case _:
            return None
    return json.dumps(word, separators=(",", ":"))


def pack(sender: str, words: Iterable[str]) -> list[str]:
    """Words as few telegrams; too many of them become one that says to look at everything."""
    waiting = list(words)
    if len(waiting) > _MOST_WORDS:
        waiting = [LOOK_AGAIN]
    telegrams: list[str] = []
    begin = f"[{json.dumps(sender)}"
    text = begin
    for word in waiting:
        if len(text) + len(word) + 2 > _LONGEST:
            telegrams.append(f"{text}]")
            text = begin
        text = f"{text},{word}"
    return [*telegrams, f"{text}]"] if waiting else []


def unpack(telegram: str, *, reader: str) -> Iterator[News]:
    """What a telegram says; nothing if the reader has sent it."""
    try:
        sender, *words = json.loads(telegram)
    except (ValueError, TypeError):
        yield LookAgain()
        return
    if sender != reader:
        yield from map(_decode, words)


def _decode(word: Any) -> News:
    try:
        kind, *arguments = word
        return _KINDS[kind](*arguments)
    except (KeyError, TypeError, ValueError):
        return LookAgain()
