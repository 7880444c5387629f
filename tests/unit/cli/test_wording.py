"""What others have said cannot steer the terminal of whoever reads it."""

import datetime as dt

import pytest

from dioptra_ray.cli.follow import coloured, log_line
from dioptra_ray.cli.output import Output, cell
from dioptra_ray.cli.wording import clean, count, place
from dioptra_ray.wire.jobs import LogRecord


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain \u00e4 \u4e2d", "plain \u00e4 \u4e2d"),
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hgone", "gone"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;never ended\nnext", "\nnext"),
        ("\x9b31mx\x00\x07\x08\x7f", "31mx"),
        ("10%\r20%", "10% 20%"),
        ("\x1b", ""),
    ],
)
def test_only_what_can_be_read_is_left(said: str, shown: str) -> None:
    assert clean(said) == shown


def test_lines_and_cells_are_clean_and_our_own_colours_stay() -> None:
    record = LogRecord(
        sequence=1,
        time=dt.datetime.now(dt.UTC),
        level="INFO",
        logger="lo\x1b[1mgger",
        step="st\x07ep",
        message="mess\x1b[2Jage",
        attempt=1,
    )
    line = log_line(record)
    for part in ("logger", "step |", "message"):
        assert part in line
    assert "\x1b[2J" not in line
    assert "\x07" not in line
    assert cell("a\x1b[31mb") == "ab"
    assert cell(coloured("failed")) == coloured("failed")
    assert "\x1b[" in coloured("failed")


def test_the_lines_of_a_field_are_below_each_other(capsys) -> None:
    Output("text").fields({"  message": "one\ntwo\n\nfour", "  at": "x"})
    lines = ["  message  one", "           two", "", "           four", "  at       x"]
    assert capsys.readouterr().out.splitlines() == lines


def test_a_row_of_a_table_is_one_line(capsys) -> None:
    Output("text").table(["a", "b"], [["one\ntwo", "x"]])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_one_is_not_many() -> None:
    assert [count(number, "error") for number in (0, 1, 2)] == ["0 errors", "1 error", "2 errors"]


def test_what_lies_in_a_directory_is_shown_as_a_path() -> None:
    assert place("file:///srv/my%20store/a.pt") == "/srv/my store/a.pt"
    assert place("s3://bucket/a%20b") == "s3://bucket/a%20b"
