"""A job on a terminal while it is watched: its graph, redrawn in place below what it says."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from dioptra_ray.cli.lanes import NODE, draw
from dioptra_ray.cli.output import between, seconds
from dioptra_ray.cli.terminal import STATUS_STYLES
from dioptra_ray.cli.wording import clean
from dioptra_ray.wire.jobs import FINAL_STATES, JobEvent, JobRecord, Step

_MARKS = {
    "pending": "○",
    "running": "◐",
    "finished": "●",
    "failed": "✗",
    "cancelled": "◌",
    "skipped": "·",
}
_ASCII = str.maketrans("○◐●✗◌·├┤┼╯╰┴│─←…", "o*@xc.|||''-|-<.")
_WIDEST = 24
"""More lanes than fit here are not drawn: the steps before are named instead."""

_MOST_NAMED = 3
_OTHER_LINES = 5
"""Lines of the terminal that are left to what the job says."""

_FEWEST = 8
_COUNTED = ("finished", "failed", "cancelled", "skipped", "running", "pending")


class JobView:
    """The steps of a job as they are now."""

    def __init__(self, record: JobRecord, *, stderr: bool) -> None:
        self._id = record.id
        self._status = record.status
        self._reason = record.reason
        self._since = record.started
        self._until = record.ended
        self._steps = dict(record.steps)
        self._lanes = _lanes(self._steps)
        self._spinner = Spinner("dots")
        console = Console(stderr=stderr)
        self._live = Live(self, console=console, refresh_per_second=8, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """Print a line above."""
        # click writes past what rich has put in the place of stdout.
        self._live.console.print(Text.from_ansi(line), soft_wrap=True)

    def update(self, event: JobEvent) -> None:
        """Take in what has happened."""
        if event.job is not None:
            self._status, self._reason = event.job.status, event.job.reason
            self._since, self._until = event.job.started, event.job.ended
            self._steps.update(event.job.steps)
        if event.step is not None:
            self._steps[event.step.name] = event.step

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What is drawn now."""
        now = datetime.now(UTC)
        height = max(_FEWEST, console.height - _OTHER_LINES)
        rows = self._rows(height, now)
        yield self._head(now)
        table = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(5):
            table.add_column(no_wrap=True, overflow="ellipsis")
        for row in rows:
            cells = [_ascii(cell) if options.ascii_only else cell for cell in row]
            table.add_row(*cells)
        yield table

    def _head(self, now: datetime) -> Spinner | Text:
        counts = Counter(step.status for step in self._steps.values())
        text = Text(f"job {self._id} ")
        text.append(self._status, STATUS_STYLES.get(self._status, ""))
        text.append(f"  {counts['finished']}/{len(self._steps)} steps")
        if took := between(self._since, self._until or now):
            text.append(f"  {seconds(max(0.0, took))}")
        if self._reason and self._status not in FINAL_STATES:
            text.append(f"  {clean(self._reason)}", "yellow")
        if self._status in FINAL_STATES:
            return text
        self._spinner.update(text=text)
        return self._spinner

    def _rows(self, height: int, now: datetime) -> Iterator[Sequence[Text]]:
        steps = list(self._steps.values())
        if len(steps) <= height:
            for step in steps:
                yield _row(step, self._lanes.get(step.name), now)
            return
        shown = _most_telling(steps, (height - 1) // 2)
        hidden: list[Step] = []
        for number, step in enumerate(steps):
            if number not in shown:
                hidden.append(step)
                continue
            yield from _gap(hidden)
            hidden = []
            yield _row(step, None, now)
        yield from _gap(hidden)


def _lanes(steps: Mapping[str, Step]) -> Mapping[str, str]:
    """The drawing beside each step; nothing when it would be too wide."""
    rows = draw({name: step.after for name, step in steps.items()})
    if not rows or len(rows[0]) > _WIDEST:
        return {}
    return dict(zip(steps, rows, strict=True))


def _row(step: Step, lanes: str | None, now: datetime) -> list[Text]:
    style = STATUS_STYLES.get(step.status, "")
    mark = _MARKS.get(step.status, "?")
    drawing = Text(NODE if lanes is None else lanes, "dim")
    place = drawing.plain.index(NODE)
    drawing = Text.assemble(
        (drawing.plain[:place], "dim"), (mark, style), (drawing.plain[place + 1 :], "dim")
    )
    name = Text(clean(step.name))
    if lanes is None and step.after:
        name.append(f" ← {_named(step.after)}", "dim")
    state = Text(step.status, style)
    took = between(step.started, step.ended or (now if step.status == "running" else None))
    if took is not None:
        state.append(f" {seconds(max(0.0, took))}")
    if step.try_number > 1:
        state.append(f", try {step.try_number}")
    if step.exit_reason and step.exit_reason != step.status:
        state.append(f" ({clean(step.exit_reason)})")
    where = f"{step.node}:{step.pid}" if step.pid else ""
    gpus = f" gpu {','.join(step.gpus)}" if step.gpus else ""
    return [drawing, name, Text(step.stage, "dim"), state, Text(where + gpus, "dim")]


def _named(names: Sequence[str]) -> str:
    more = f" +{len(names) - _MOST_NAMED}" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(clean, names[:_MOST_NAMED])) + more


def _most_telling(steps: Sequence[Step], room: int) -> set[int]:
    """The steps to show of too many: what failed, what runs, what comes next, what was last."""
    by_status: dict[str, list[int]] = {}
    for number, step in enumerate(steps):
        by_status.setdefault(step.status, []).append(number)
    chosen = [
        *by_status.get("failed", ()),
        *by_status.get("running", ()),
        *by_status.get("cancelled", ()),
        *by_status.get("pending", ())[:_MOST_NAMED],
        *reversed(by_status.get("finished", [])),
        *by_status.get("pending", ())[_MOST_NAMED:],
    ]
    return set(chosen[:room])


def _gap(hidden: Sequence[Step]) -> Iterator[list[Text]]:
    if hidden:
        counts = Counter(step.status for step in hidden)
        told = ", ".join(f"{counts[state]} {state}" for state in _COUNTED if counts[state])
        yield [Text("…", "dim"), Text(told, "dim"), Text(), Text(), Text()]


def _ascii(text: Text) -> Text:
    copy = text.copy()
    copy.plain = text.plain.translate(_ASCII)
    return copy
