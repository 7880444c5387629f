"""What is drawn on a terminal; the only module here that needs rich."""

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

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
