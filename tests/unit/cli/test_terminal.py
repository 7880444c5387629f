"""What is drawn on a terminal."""

from datetime import UTC, datetime

from dioptra_ray.cli.output import Output, plain, seconds
from dioptra_ray.cli.terminal import print_table

NOW = datetime(2026, 1, 2, tzinfo=UTC)


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
