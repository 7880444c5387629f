"""What is drawn on a terminal; the only module here that needs rich."""

from collections.abc import Sequence
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from dioptra_ray.wire.jobs import JobEvent

STATUS_STYLES = {
    "finished": "green",
    "failed": "bold red",
    "cancelled": "yellow",
    "started": "cyan",
    "running": "cyan",
    "skipped": "dim",
    "pending": "dim",
    "queued": "dim",
}


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Draw a table; words that are states have colours."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(text, style=STATUS_STYLES.get(text, "")) for text in row))
    Console().print(table)


def trial_progress(*, stderr: bool) -> Progress:
    """A bar over the trials of a sweep."""
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeElapsedColumn(),
        console=Console(stderr=stderr),
    )


class StatusLine:
    """The last line of the terminal while a job is watched: what runs, how much is done."""

    def __init__(self, job: int, steps: list[str], *, stderr: bool) -> None:
        self._job = job
        self._phase = "queued"
        self._steps = dict.fromkeys(steps, "pending")
        self._live = Live(
            self, console=Console(stderr=stderr), transient=True, refresh_per_second=8
        )
        self._spinner = Spinner("dots")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __rich__(self) -> Spinner:
        """What is drawn now."""
        done = sum(state == "finished" for state in self._steps.values())
        running = [name for name, state in self._steps.items() if state == "running"]
        text = f"job {self._job} {self._phase}  {done}/{len(self._steps)} steps"
        self._spinner.update(text=f"{text}  {', '.join(running)}")
        return self._spinner

    def say(self, line: str) -> None:
        """Print a line above."""
        # click writes past what rich has put in the place of stdout.
        self._live.console.print(Text.from_ansi(line), soft_wrap=True)

    def update(self, event: JobEvent) -> None:
        """Take in what has happened."""
        if event.job is not None:
            self._phase = event.job.status
        if event.step is not None:
            self._steps[event.step.name] = event.step.status
