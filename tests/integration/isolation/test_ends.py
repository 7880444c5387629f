"""How processes end, and what ends with them."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from dioptra_workers.stage import template, templates
from dioptra_workers.stage.isolation import run_isolated

SOURCE = """
    import ctypes, os, signal, subprocess, sys, time
    from multiprocessing.shared_memory import SharedMemory
    from dioptra import pyplugs

    @pyplugs.register
    def fine():
        print(os.getpid())

    @pyplugs.register
    def leave():
        os._exit(3)

    @pyplugs.register
    def leave_in_c():
        ctypes.CDLL(None)._exit(4)

    @pyplugs.register
    def killed():
        os.kill(os.getpid(), signal.SIGKILL)

    @pyplugs.register
    def crash():
        ctypes.string_at(0)

    @pyplugs.register
    def real_time():
        os.kill(os.getpid(), signal.SIGRTMIN + 5)

    @pyplugs.register
    def hang_up():
        os.closerange(3, 1000)
        time.sleep(600)

    def start():
        # Away from the stage's directory and its session: only its parents lead to it.
        shell = "setsid sleep 600 >/dev/null 2>&1 & echo $!"
        done = subprocess.run(["sh", "-c", shell], cwd="/", stdout=subprocess.PIPE)
        return int(done.stdout)

    def share():
        memory = SharedMemory(create=True, size=4096)
        memory.buf[0] = 1
        return memory.name

    @pyplugs.register
    def leave_things():
        print(start())
        print(share())

    @pyplugs.register
    def leave_things_and_die():
        print(start())
        print(share())
        os.kill(os.getpid(), signal.SIGKILL)

    @pyplugs.register
    def leave_things_and_sleep():
        print(os.getpid())
        print(start())
        time.sleep(600)
"""
ENDS = {
    "leave": "exit code 3",
    "leave_in_c": "exit code 4",
    "killed": "signal 9 (SIGKILL)",
    "crash": "signal 11 (SIGSEGV)",
}


@pytest.mark.parametrize("task", ENDS)
def test_how_a_process_has_ended_is_said(bench, task):
    report = bench.run(SOURCE, task).report
    assert (report.outcome, report.failure.reason) == ("failed", "PROCESS_DIED")
    assert report.failure.step == "a"
    assert report.failure.exit_reason == ENDS[task]
    assert bench.run(SOURCE, "fine").said > 0


def test_a_signal_without_a_name_ends_a_process_as_well(bench):
    report = bench.run(SOURCE, "real_time").report
    assert (report.failure.reason, report.failure.step) == ("PROCESS_DIED", "a")


def test_a_process_that_hangs_up_is_ended(bench):
    report = bench.run(SOURCE, "hang_up").report
    assert (report.failure.reason, report.failure.step) == ("PROCESS_DIED", "a")
    assert bench.run(SOURCE, "fine").said > 0


@pytest.mark.parametrize("task", ["leave_things", "leave_things_and_die"])
def test_what_a_stage_has_started_and_shared_goes_with_it(bench, task, until, is_alive):
    pid, name = bench.run(SOURCE, task).lines
    assert until(lambda: not is_alive(int(pid)))
    assert until(lambda: not Path("/dev/shm", name).exists())


def children_of(pid):
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if file.read_text().rpartition(")")[2].split()[1] == str(pid):
                found.append(int(file.parent.name))
    return found


def test_processes_that_die_while_they_wait_are_replaced(bench, until):
    used = bench.run(SOURCE, "fine").said
    ((_, warm),) = templates._templates.items()
    pid = warm._process.pid
    assert until(lambda: len({*children_of(pid)} - {used}) == 1)
    (spare,) = {*children_of(pid)} - {used}
    os.kill(spare, signal.SIGKILL)
    assert bench.run(SOURCE, "fine").said not in (used, spare)
    warm._process.kill()
    warm._process.wait()
    assert bench.run(SOURCE, "fine").said > 0


def test_templates_that_nobody_wants_leave_and_are_made_again(bench, until, monkeypatch):
    class Impatient(template.TemplateSettings):
        def to_json(self):
            return template.TemplateSettings.to_json(replace(self, idle_seconds=0.2))

    monkeypatch.setattr(templates, "TemplateSettings", Impatient)
    bench.run(SOURCE, "fine")
    ((_, first),) = templates._templates.items()
    assert until(lambda: first._process.poll() is not None)
    assert bench.run(SOURCE, "fine").said > 0
    ((_, second),) = templates._templates.items()
    assert second is not first


def test_templates_of_other_plugin_sets_are_others_and_few(bench, is_alive):
    pids = []
    for number in range(4):
        source = SOURCE + f"\n    NUMBER = {number}\n    def own(): pass\n"
        bench.run(source, "fine")
        pids.append(next(reversed(templates._templates.values()))._process.pid)
    assert len(set(pids)) == 4
    assert [is_alive(pid) for pid in pids] == [False, False, True, True]


WORKER = """
import pickle, sys
from dioptra_workers.stage.isolation import run_isolated
request = pickle.load(sys.stdin.buffer)
def push(first, events):
    for event in events:
        message = getattr(event, "message", "")
        if message.isdigit():
            print(message, flush=True)
run_isolated(request, push=push)
"""


def test_everything_ends_with_a_worker_process_that_is_killed(bench, until, is_alive):
    request = bench.request(SOURCE, "leave_things_and_sleep")
    with subprocess.Popen(
        [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        worker.stdin.write(pickle.dumps(request))
        worker.stdin.close()
        stage, started = (int(worker.stdout.readline()) for _ in range(2))
        status = Path(f"/proc/{stage}/stat").read_text().rpartition(")")[2].split()
        forker = int(status[1])
        assert all(map(is_alive, (stage, started, forker)))
        worker.kill()
    assert until(lambda: not any(map(is_alive, (stage, started, forker))))


LIBRARY = """
    import threading
    woken, done = threading.Event(), threading.Event()
    def serve():
        woken.wait()
        done.set()
    threading.Thread(target=serve, daemon=True).start()
"""
USER = """
    import iso_library_with_a_thread as library
    from dioptra import pyplugs

    @pyplugs.register
    def ask():
        library.woken.set()
        print(int(library.done.wait(30)))
"""


def test_a_library_with_threads_is_imported_by_each_stage(bench, tmp_path, monkeypatch):
    (tmp_path / "iso_library_with_a_thread.py").write_text(dedent(LIBRARY))
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    monkeypatch.setenv("PYTHONPATH", path)
    for _ in range(2):
        assert bench.run(USER, "ask").said == 1


def test_a_stage_whose_predecessor_has_failed_needs_no_process(bench):
    request = bench.request(SOURCE, "fine", after=("before",))
    (report,) = run_isolated(request, False)
    assert report.outcome == "skipped"
    assert not templates._templates


@pytest.mark.parametrize(
    ("top", "error"),
    [("import no_such_module", "ModuleNotFoundError"), ("x = (", "SyntaxError"), ("1 / 0", None)],
)
def test_a_plugin_that_cannot_be_imported_says_where(bench, top, error):
    source = f"""
        from dioptra import pyplugs
        {top}

        @pyplugs.register
        def fine():
            pass
    """
    failure = bench.run(source, "fine").report.failure
    assert failure.error_type == (error or "ZeroDivisionError")
    assert (failure.file, failure.line) == ("p/tasks.py", 3)
