"""What is drawn on a terminal."""

from datetime import UTC, datetime
from io import StringIO

from rich.console import Console

from dioptra_ray.cli.output import Output, plain, seconds
from dioptra_ray.cli.terminal import StatusLine, print_table
from dioptra_ray.wire.jobs import JobEvent, Step

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def event(name, status):
    step = Step(
        name=name, task="t", stage="s0", status=status, started=NOW, ended=None, node="", pid=0
    )
    return JobEvent(sequence=1, time=NOW, step=step)


def drawn(line) -> str:
    console = Console(width=100, file=StringIO())
    console.print(line)
    return console.file.getvalue()


def test_the_status_line_counts_steps() -> None:
    line = StatusLine(12, ["a", "b"], stderr=True)
    assert "0/2 steps" in drawn(line)
    line.update(event("a", "finished"))
    line.update(event("b", "running"))
    text = drawn(line)
    assert "job 12" in text
    assert "1/2 steps" in text
    assert "b" in text.split("steps")[1]


def test_cells_are_not_markup(capsys) -> None:
    print_table(["name"], [["[bold]x[/bold]"]])
    assert "[bold]x[/bold]" in capsys.readouterr().out


def test_tables_without_a_terminal_are_plain(capsys) -> None:
    Output("text").table(["name", "value"], [["a", 0.1 + 0.2], ["long name", None]])
    assert capsys.readouterr().out == "NAME       VALUE\na          0.3\nlong name  -\n"


def test_json_has_no_nan() -> None:
    values = {"a": [float("nan"), float("inf"), -float("inf"), 1.0], "t": NOW}
    assert plain(values) == {
        "a": ["NaN", "Infinity", "-Infinity", 1.0],
        "t": "2026-01-02T00:00:00+00:00",
    }


def test_durations() -> None:
    assert [seconds(value) for value in (None, 1.25, 61, 3661)] == [
        "-",
        "1.2s",
        "1m01s",
        "1h01m01s",
    ]
