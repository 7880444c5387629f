"""What a stage says, in memory and on file."""

import math

from dioptra_workers.stage.events import LogLine, MetricLogged, StepChanged, read_line, write_line
from dioptra_workers.stage.journal import (
    LONGEST_MESSAGE,
    Journal,
    clean,
    journal_of,
    read_exit,
    read_journal,
)
from dioptra_workers.stage.postmortem import last_words, running_step


def write_some(journal):
    journal.step = "train"
    journal.step_changed("train", "running")
    journal.log("INFO", "x", "hello\nworld ü")
    journal.metric("loss", 3, math.nan)


def test_the_file_has_what_memory_has(tmp_path):
    with Journal(tmp_path / "journal", node="10.0.0.1", pid=7) as journal:
        write_some(journal)
        first, events = journal.pending()
        read = list(read_journal(tmp_path / "journal"))
    assert first == 0
    change, line, metric = read
    assert (change, line) == events[:2]
    assert isinstance(change, StepChanged)
    assert (change.step, change.phase, change.node, change.pid) == (
        "train",
        "running",
        "10.0.0.1",
        7,
    )
    assert isinstance(line, LogLine)
    assert (line.step, line.message) == ("train", "hello\nworld ü")
    assert isinstance(metric, MetricLogged)
    assert math.isnan(metric.value)


def test_a_change_survives_being_written():
    event = StepChanged(1.5, "a", "failed", "n", 7, 2, 0.25, 4096, ("0", "1"), "exit code 3")
    assert read_line(write_line(event)) == event


def test_the_code_of_a_process_that_ended_itself_is_found(tmp_path):
    with Journal(tmp_path / "journal") as journal:
        write_some(journal)
        assert read_exit(tmp_path / "journal") is None
        journal.note_exit(-1)
    assert read_exit(tmp_path / "journal") == 255
    assert len(list(read_journal(tmp_path / "journal"))) == 3


def test_delivered_events_are_forgotten_but_keep_their_numbers():
    journal = Journal()
    for number in range(5):
        journal.log("INFO", "x", str(number))
    journal.delivered(3)
    journal.delivered(2)
    first, events = journal.pending()
    assert (first, [event.message for event in events]) == (3, ["3", "4"])


def test_a_line_cut_off_by_a_crash_is_left_out(tmp_path):
    path = tmp_path / "journal"
    with Journal(path) as journal:
        write_some(journal)
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    assert len(list(read_journal(path))) == 2
    assert len(list(read_journal(path, 1))) == 1


def test_texts_are_made_storable():
    assert clean("a\0b\ud800c") == "a\ufffdb?c"
    assert len(clean("x" * (LONGEST_MESSAGE + 1))) == LONGEST_MESSAGE


def test_last_words_name_the_running_step_and_clear_the_directory(tmp_path):
    place = tmp_path / "stages" / "1-1-s0-0"
    place.mkdir(parents=True)
    with Journal(journal_of(place)) as journal:
        write_some(journal)
    words = last_words(str(tmp_path), "1-1-s0-0", 2)
    assert words.step == "train"
    assert [type(event) for event in words.events] == [MetricLogged]
    assert list(place.parent.iterdir()) == []
    assert last_words(str(tmp_path), "1-1-s0-0", 0) is None


def test_no_step_runs_once_the_last_has_finished():
    events = (StepChanged(0, "a", "running"), StepChanged(1, "a", "finished"))
    assert running_step(events[:1]) == "a"
    assert running_step(events) == ""
    assert running_step(()) == ""
