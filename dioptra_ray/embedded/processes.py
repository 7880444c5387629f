"""Processes that outlive the command that started them: who they are, and their end.

A process id alone says nothing after a reboot, or once the system has used it again; with
the time at which the process started it names one process for ever. What a process has
started is found by its session, and by a marker that its environment hands down.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MARKER_VARIABLE: Final = "DIOPTRA_EMBEDDED_MARKER"
KILL_SECONDS: Final = 10.0
_PROC: Final = Path("/proc")
_BOOT: Final = _PROC / "sys/kernel/random/boot_id"
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process, leader of its own session.

    Attributes:
        pid: Its id, also that of its session and process group.
        started: When it started, in the system's words.
    """

    pid: int
    started: str


def identify(pid: int) -> Process | None:
    """Say who has an id now; None when nobody has, or only a zombie."""
    started = _start_in_proc(pid) if _BOOT.exists() else _start_by_ps(pid)
    return None if started is None else Process(pid=pid, started=started)


def is_alive(process: Process) -> bool:
    """Whether this very process still runs."""
    return identify(process.pid) == process


def terminate(processes: Iterable[Process], *, marker: str, grace: float) -> None:
    """End processes, one after the other, and everything that they have started.

    Args:
        processes: The processes; each is asked politely before the next.
        marker: The marker in the environment of all that they have started.
        grace: Seconds that each has to end by itself.
    """
    # A session outlives its leader, but its id may not: the leader says whether it is ours.
    ours = [process for process in processes if is_alive(process)]
    for process in ours:
        _signal(process.pid, signal.SIGTERM)
        _wait_while(lambda process=process: is_alive(process), grace)  # type: ignore[misc]
    sessions = {process.pid for process in ours}
    # What is left has lost its parent: there is nothing more to be polite to.
    _wait_while(lambda: _kill(remains(sessions=sessions, marker=marker)), KILL_SECONDS)


def remains(*, sessions: set[int], marker: str) -> list[int]:
    """Ids of the processes of the sessions, and of those that inherited the marker."""
    find = _remains_in_proc if _BOOT.exists() else _remains_by_ps
    return [pid for pid in find(sessions, marker) if pid != os.getpid()]


def _kill(pids: list[int]) -> bool:
    for pid in pids:
        _signal(pid, signal.SIGKILL)
    return bool(pids)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _wait_while(goes_on: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while goes_on() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; None for nobody and for zombies."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else fields


def _start_in_proc(pid: int) -> str | None:
    fields = _stat(pid)
    return None if fields is None else f"{_BOOT.read_text().strip()}:{fields[19]}"


def _remains_in_proc(sessions: set[int], marker: str) -> Iterator[int]:
    wanted = f"{MARKER_VARIABLE}={marker}".encode()
    for folder in _PROC.iterdir():
        if not folder.name.isdecimal():
            continue
        fields = _stat(int(folder.name))
        if fields is None:
            continue
        environment = b""
        with suppress(OSError):  # another user's, or gone
            environment = (folder / "environ").read_bytes()
        if int(fields[3]) in sessions or wanted in environment.split(b"\0"):
            yield int(folder.name)


def _ps(*columns: str, pid: int | None = None) -> list[str]:
    whom = ["-A"] if pid is None else ["-p", str(pid)]
    chosen = [part for column in columns for part in ("-o", f"{column}=")]
    command = ["ps", *whom, *chosen]
    done = subprocess.run(  # noqa: S603 - no part of the command is anybody's input
        command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    return done.stdout.splitlines()


def _start_by_ps(pid: int) -> str | None:
    lines = _ps("stat", "lstart", pid=pid)
    state, _, started = lines[0].strip().partition(" ") if lines else ("Z", "", "")
    return None if state.startswith("Z") else started.strip()


def _remains_by_ps(sessions: set[int], marker: str) -> Iterator[int]:
    # Elsewhere than on Linux the environment of others cannot be read: groups must do.
    del marker
    for line in _ps("pid", "pgid"):
        pid, group = line.split()
        if int(group) in sessions:
            yield int(pid)
