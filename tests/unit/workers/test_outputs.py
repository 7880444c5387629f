"""What is said past Python, by children and by those who do not belong to the stage."""

import ctypes
import faulthandler
import logging
import multiprocessing
import os
import resource
import subprocess
import sys
import threading

import pytest
import structlog

from dioptra_workers.stage import health
from dioptra_workers.stage.capture import capture
from dioptra_workers.stage.descendants import children
from dioptra_workers.stage.environment import pristine
from dioptra_workers.stage.events import LogLine
from dioptra_workers.stage.failures import died
from dioptra_workers.stage.journal import Journal, journal_of
from dioptra_workers.stage.leftovers import swept
from dioptra_workers.stage.postmortem import last_words


@pytest.fixture(autouse=True)
def _undone(monkeypatch):
    monkeypatch.setattr(health._Health, "reason", "")
    yield
    structlog.reset_defaults()


@pytest.fixture
def stage(tmp_path):
    def run(*speakers):
        """One stage for each speaker; gives the lines of the last."""
        for number, speak in enumerate(speakers):
            work = tmp_path / "stages" / f"work{number}"
            work.mkdir(parents=True)
            journal = Journal(journal_of(work))
            with journal, pristine(), capture(journal, work), swept():
                speak()
        events = journal.pending()[1]
        return [(e.level, e.logger, e.message) for e in events if isinstance(e, LogLine)]

    return run


def test_children_and_raw_writes_are_heard_in_order(stage):
    def speak():
        print("before")
        subprocess.run(["/bin/sh", "-c", "echo out; echo err >&2"], check=True)
        print("between")
        os.system("echo system")
        os.write(1, b"raw\n")
        libc = ctypes.CDLL(None)
        libc.puts(b"from C")
        libc.fflush(None)
        print("after")

    said = stage(speak)
    out = [message for level, name, message in said if (level, name) == ("INFO", "stdout")]
    assert out == ["before", "out", "between", "system", "raw", "from C", "after"]
    assert ("WARNING", "stderr", "err") in said


def test_much_output_without_a_reader_does_not_block(stage):
    said = stage(lambda: os.write(1, b"x" * 999 + b"\n") and [os.write(1, b"y\n" * 500_000)])
    assert len(said) == 500_001


def test_forked_children_log_as_what_they_are_and_once(stage):
    def child():
        print("printed")
        logging.getLogger("mine").error("logged")

    def speak():
        print("one")
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join()
        print("two")

    # Where other tests of this process have used it, gRPC has a word to say of forks.
    said = [line for line in stage(speak) if "fork_posix.cc" not in line[2]]
    assert sorted(said) == sorted(
        [
            ("INFO", "stdout", "one"),
            ("INFO", "stdout", "printed"),
            ("ERROR", "mine", "logged"),
            ("INFO", "stdout", "two"),
        ]
    )


def close_streams():
    sys.stdout.close()
    sys.stderr.close()
    sys.stdin.close()


def close_descriptors():
    for descriptor in (0, 1, 2):
        os.close(descriptor)


def close_originals():
    sys.__stdout__.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


@pytest.mark.parametrize("ruin", [close_streams, close_descriptors, close_originals])
def test_the_next_stage_has_streams_and_descriptors(stage, ruin):
    before = [os.fstat(descriptor) for descriptor in (0, 1, 2)]

    def speak():
        print("said")
        os.write(1, b"raw\n")
        assert not sys.stdin.closed

    assert stage(ruin, speak) == [("INFO", "stdout", "said"), ("INFO", "stdout", "raw")]
    after = [os.fstat(descriptor) for descriptor in (0, 1, 2)]
    assert [(s.st_dev, s.st_ino) for s in after] == [(s.st_dev, s.st_ino) for s in before]


def test_a_thread_that_was_left_is_not_heard_and_its_process_is_not_used_again(stage):
    go, said = threading.Event(), threading.Event()

    def linger():
        go.wait(60)
        print("of the first stage")
        logging.getLogger("first").warning("of the first stage")
        said.set()

    thread = threading.Thread(target=linger, daemon=True)

    def second():
        assert health.spoiled()
        go.set()
        said.wait(60)
        print("of the second stage")

    assert stage(thread.start, second) == [("INFO", "stdout", "of the second stage")]
    thread.join()


def test_threads_that_end_with_their_stage_spoil_nothing(stage):
    said = stage(lambda: threading.Thread(target=print, args=("thread",)).start())
    assert said == [("INFO", "stdout", "thread")]
    assert not health.spoiled()


def test_children_end_with_their_stage_and_others_do_not(stage):
    ours = subprocess.Popen(["sleep", "600"])
    before = children()
    started = []

    def speak():
        started.append(subprocess.Popen(["sleep", "600"]))
        shell = "trap '' TERM; (sleep 600 & sleep 600) & exit"
        subprocess.run(["/bin/sh", "-c", shell], check=True)
        context = multiprocessing.get_context("spawn")
        started.append(context.Process(target=print, daemon=False))
        context.Semaphore()

    try:
        stage(speak)
        assert started[0].wait() is not None
        assert ours.poll() is None
        assert children() == before
    finally:
        ours.kill()
        ours.wait()


def test_what_a_dying_process_wrote_to_its_descriptors_is_among_its_last_words(tmp_path):
    work = tmp_path / "stages" / "1-1-s0-0"
    work.mkdir(parents=True)
    pid = os.fork()
    if pid == 0:
        journal = Journal(journal_of(work))
        with journal, capture(journal, work):
            os.write(2, b"one\n")
            print("said")
            os.write(2, b"terminate called\n")
            os._exit(1)
    os.waitpid(pid, 0)
    words = last_words(str(tmp_path), "1-1-s0-0", 0)
    assert [event.message for event in words.events] == ["one", "said", "terminate called"]
    assert list((tmp_path / "stages").iterdir()) == []


def test_a_crash_says_which_signal_it_was(tmp_path):
    work = tmp_path / "stages" / "1-1-s0-0"
    work.mkdir(parents=True)
    pid = os.fork()
    if pid == 0:
        journal = Journal(journal_of(work))
        with journal, capture(journal, work):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            faulthandler.enable(file=2)
            ctypes.string_at(0)
        os._exit(1)
    os.waitpid(pid, 0)
    words = last_words(str(tmp_path), "1-1-s0-0", 0)
    assert words.signal == "SIGSEGV"
    assert "it got SIGSEGV" in died("a", words.signal).message
