"""Logging, structlog and prints become journal lines."""

import logging
import sys
import time

import pytest
import structlog

from dioptra_workers.stage.capture import (
    BAR_SECONDS,
    STALLED_SECONDS,
    _LineWriter,
    capture,
    level_name,
)
from dioptra_workers.stage.environment import pristine
from dioptra_workers.stage.events import LogLine
from dioptra_workers.stage.journal import Journal


@pytest.fixture(autouse=True)
def _structlog():
    yield
    structlog.reset_defaults()


def said(speak):
    journal = Journal()
    with pristine(), capture(journal):
        speak()
    return [event for event in journal.pending()[1] if isinstance(event, LogLine)]


def texts(speak):
    return [(line.level, line.logger, line.message) for line in said(speak)]


def test_prints_are_lines_of_stdout_and_stderr():
    def speak():
        print("one\ntwo")
        print("error", file=sys.stderr)
        print("no end", end="")

    assert texts(speak) == [
        ("INFO", "stdout", "one"),
        ("INFO", "stdout", "two"),
        ("WARNING", "stderr", "error"),
        ("INFO", "stdout", "no end"),
    ]


def test_a_progress_bar_leaves_its_last_state():
    def speak():
        for percent in (0, 50, 100):
            print(f"\r{percent}%", end="")
        print()

    assert texts(speak) == [("INFO", "stdout", "100%")]


def test_bytes_that_are_no_text_are_replaced():
    assert texts(lambda: sys.stdout.buffer.write(b"\xff\n")) == [("INFO", "stdout", "\ufffd")]


def test_an_endless_line_is_cut_into_pieces():
    lines = said(lambda: [print("x" * 50_000, end="") for _ in range(3)])
    assert len(lines) == 2


def test_structlog_events_are_rendered_with_their_values():
    def speak():
        log = structlog.get_logger("my")
        log.bind(a=1).info("event", b="x y")
        log.debug("not heard")
        log.warning("percent %d%%", 5)
        try:
            raise KeyError("k")  # noqa: TRY301
        except KeyError:
            log.exception("failed")

    lines = texts(speak)
    assert lines[:2] == [("INFO", "my", "event a=1 b='x y'"), ("WARNING", "my", "percent 5%")]
    assert lines[2][:2] == ("ERROR", "my")
    assert lines[2][2].startswith("failed\nTraceback")
    assert len(lines) == 3


def test_a_record_that_cannot_be_formatted_is_kept():
    assert texts(lambda: logging.getLogger("x").info("%d", "no")) == [("INFO", "x", "%d ('no',)")]


def test_loggers_silenced_by_a_plugin_speak_again_in_the_next_stage():
    logger = logging.getLogger("silenced")

    def silence():
        logging.root.setLevel(logging.CRITICAL)
        logging.root.handlers.clear()
        logger.disabled = True

    assert texts(silence) == []
    assert texts(lambda: logger.info("again")) == [("INFO", "silenced", "again")]


def test_a_handler_kept_by_a_plugin_writes_to_the_present_stage():
    kept = []
    said(lambda: kept.append(logging.StreamHandler(sys.stdout)))
    record = logging.LogRecord("x", logging.INFO, "f", 1, "late", None, None)
    assert texts(lambda: kept[0].handle(record)) == [("INFO", "stdout", "late")]


def test_streams_have_the_file_descriptors_of_the_process(capfd):
    with capfd.disabled(), pristine(), capture(Journal()):
        assert sys.stdout.fileno() >= 0


@pytest.mark.parametrize(
    ("number", "name"), [(0, "DEBUG"), (5, "DEBUG"), (10, "DEBUG"), (25, "INFO"), (90, "CRITICAL")]
)
def test_odd_levels_have_the_name_of_the_level_they_reach(number, name):
    assert level_name(number) == name


def test_a_line_that_stalls_is_said_and_a_bar_now_and_then():
    journal, now = Journal(), time.monotonic()
    writer = _LineWriter(1, lambda: journal)
    writer.write(b"Epoch 1 ...")
    writer.say_stalled(journal, now)
    assert journal.pending()[1] == ()
    writer.say_stalled(journal, now + STALLED_SECONDS + 1)
    writer.write(b" done\n\r10%\r20%")
    writer.say_stalled(journal, now + 2 * BAR_SECONDS)
    writer.write(b"\r30%")
    writer.say_stalled(journal, now + 2.5 * BAR_SECONDS)
    writer.write(b"\r100%\n")
    messages = [line.message for line in journal.pending()[1]]
    assert messages == ["Epoch 1 ...", " done", "20%", "100%"]
