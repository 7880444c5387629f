"""The steps of a job as a table that fits a page."""

from collections.abc import Callable, Sequence
from typing import Any

from dioptra_ray.cli.output import Output, cell, seconds
from dioptra_ray.wire.jobs import Step

WIDTH = 100
"""Columns of characters that the table may take."""

_LEAST = 12
_KIB = 1024
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

Column = tuple[str, Callable[[Step], Any]]

_COLUMNS: Sequence[Column] = (
    ("step", lambda step: step.name),
    ("status", lambda step: step.status),
    ("task", lambda step: step.task),
    ("stage", lambda step: step.stage),
    ("try", lambda step: step.try_number or None),
    ("took", lambda step: seconds(step.seconds)),
    ("cpu", lambda step: seconds(step.cpu_seconds) if step.ended else None),
    ("memory", lambda step: size(step.peak_memory)),
    ("gpus", lambda step: ",".join(step.gpus)),
    ("process", lambda step: f"{step.node}:{step.pid}" if step.pid else None),
    ("ended by", lambda step: step.exit_reason),
)
_OPTIONAL = {"try", "gpus", "ended by"}
"""Shown when they say something of at least one step."""

_LEAST_MISSED = ("task", "stage", "process")
"""Left out, in this order, when there is no room."""


def size(value: int) -> str:
    """Bytes as people read them; nothing for 0, which stands for not known."""
    if not value:
        return ""
    number, unit = float(value), 0
    while number >= _KIB and unit < len(_UNITS) - 1:
        number, unit = number / _KIB, unit + 1
    return f"{number:.0f} {_UNITS[unit]}" if number >= 10 else f"{number:.1f} {_UNITS[unit]}"  # noqa: PLR2004


def show_steps(steps: Sequence[Step], output: Output) -> None:
    """Print a table of steps that is at most `WIDTH` wide."""
    columns = [(name, [_text(get(step)) for step in steps]) for name, get in _COLUMNS]
    columns = [column for column in columns if _says_something(*column)]
    for name in _LEAST_MISSED:
        if _width(columns) > WIDTH:
            columns = [column for column in columns if column[0] != name]
    columns = _shortened(columns)
    rows = list(zip(*(texts for _, texts in columns), strict=True))
    output.table([name for name, _ in columns], rows)


def _text(value: Any) -> str:
    return " ".join(cell(value).split("\n"))


def _says_something(name: str, texts: Sequence[str]) -> bool:
    if name == "try":
        return any(text not in {"1", _text(None)} for text in texts)
    return name not in _OPTIONAL or any(text != _text(None) for text in texts)


def _width(columns: Sequence[tuple[str, Sequence[str]]]) -> int:
    return sum(2 + max(map(len, (name, *texts))) for name, texts in columns) - 2


def _shortened(columns: Sequence[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """Cut the texts of the widest columns until everything fits."""
    found = list(columns)
    while (over := _width(found) - WIDTH) > 0:
        widths = [max(map(len, texts), default=0) for _, texts in found]
        widest = max(range(len(found)), key=widths.__getitem__)
        room = max(_LEAST, widths[widest] - over)
        if room >= widths[widest]:
            break
        name, texts = found[widest]
        found[widest] = (name, [_cut(text, room) for text in texts])
    return found


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 3] + "..."
