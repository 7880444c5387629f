"""What a running stage says, in order: step changes, log lines, metrics.

Events cross from workers to the runner, so they hold plain values only. One event is one
line of the journal file, from which a crashed process's last words are read.
"""

import json
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Literal

Phase = Literal["running", "finished", "failed", "cancelled", "skipped"]


@dataclass(frozen=True, slots=True)
class StepChanged:
    """A step began or ended.

    Attributes:
        time: Seconds since the epoch.
        step: The step.
        phase: Where it is now.
        node: Address of its node.
        pid: Process id there.
    """

    time: float
    step: str
    phase: Phase
    node: str = ""
    pid: int = 0


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line was said.

    Attributes:
        time: Seconds since the epoch, of the event and not of its delivery.
        level: DEBUG, INFO, WARNING, ERROR or CRITICAL.
        logger: Name of the logger; "stdout" and "stderr" for printed lines.
        step: The step that said it; empty outside of steps.
        message: The text, without a line end.
    """

    time: float
    level: str
    logger: str
    step: str
    message: str


@dataclass(frozen=True, slots=True)
class MetricLogged:
    """A metric got a value.

    Attributes:
        time: Seconds since the epoch.
        name: Name of the metric.
        step: The training step or epoch.
        value: The value; NaN and the infinities are values.
        graph_step: The graph step that logged it.
    """

    time: float
    name: str
    step: int
    value: float
    graph_step: str


Event = StepChanged | LogLine | MetricLogged

_KINDS: dict[str, type[Event]] = {
    "step": StepChanged,
    "log": LogLine,
    "metric": MetricLogged,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
# Bound now: a step may put something else in place of json.dumps.
_encode = json.JSONEncoder().encode
_VALUES = {kind: attrgetter(*(item.name for item in fields(kind))) for kind in _NAMES}


def write_event(event: Event) -> list[Any]:
    """An event as plain values."""
    kind = type(event)
    return [_NAMES[kind], *_VALUES[kind](event)]


def read_event(values: list[Any]) -> Event:
    """Read what `write_event` wrote."""
    return _KINDS[values[0]](*values[1:])


def write_line(event: Event) -> bytes:
    """One journal line, with its line end."""
    return _encode(write_event(event)).encode() + b"\n"


def read_line(line: bytes) -> Event | None:
    """The event of a journal line; None for one that was cut off by a crash."""
    try:
        return read_event(json.loads(line))
    except (ValueError, LookupError, TypeError):
        return None
