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
        try_number: Which try of its stage this is, from 1.
        cpu_seconds: CPU time that it took; only when it has ended.
        peak_memory: The most bytes that its process had resident; 0 when not known.
        gpus: Ids of the GPUs that it was given.
        exit_reason: How it ended when it did not return.
    """

    time: float
    step: str
    phase: Phase
    node: str = ""
    pid: int = 0
    try_number: int = 0
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    gpus: tuple[str, ...] = ()
    exit_reason: str = ""


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
_GPUS = [item.name for item in fields(StepChanged)].index("gpus")
_VALUES = {kind: attrgetter(*(item.name for item in fields(kind))) for kind in _NAMES}


def write_event(event: Event) -> list[Any]:
    """An event as plain values."""
    kind = type(event)
    return [_NAMES[kind], *_VALUES[kind](event)]


def read_event(values: list[Any]) -> Event:
    """Read what `write_event` wrote."""
    kind, *others = values
    if kind == "step":
        others[_GPUS] = tuple(others[_GPUS])
    return _KINDS[kind](*others)


def write_line(event: Event) -> bytes:
    """One journal line, with its line end."""
    return _encode(write_event(event)).encode() + b"\n"


def read_line(line: bytes) -> Event | None:
    """The event of a journal line; None for one that was cut off by a crash."""
    try:
        return read_event(json.loads(line))
    except (ValueError, LookupError, TypeError):
        return None
