"""Ends the processes that a step has started and not ended.

A worker adopts what its children leave behind (it is a subreaper), so everything that was
started during a stage is below it in the tree of processes at the end of that stage. What
was below it before, and what that has started, is ours: templates of fresh processes.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

GRACE = 0.5
"""Seconds that they have after SIGTERM."""

ROUNDS = 3
"""How often to look for what was started by what was being ended."""

_SET_CHILD_SUBREAPER = 36
_PARENT = 1  # after pid and name in /proc/PID/stat: state, parent, ...


def adopt_orphans() -> None:
    """Become the parent of processes whose parent, a child of this process, has ended."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)


def children() -> frozenset[int]:
    """The processes right below this one."""
    if not _has_children():
        return frozenset()
    own = os.getpid()
    return frozenset(pid for pid, parent in _parents().items() if parent == own)


def end_others(spared: Collection[int]) -> int:
    """End all that is below this process except `spared`, and what is below those.

    Returns:
        How many there were.
    """
    ended = 0
    if not _has_children():
        return ended
    helpers = _helpers()
    keep = {*spared, *(pid for pid, _ in helpers)}
    for _ in range(ROUNDS):
        found = [pid for pid in _below(os.getpid(), keep) if _is_alive(pid)]
        if not found:
            break
        ended += len(found)
        end(found)
    for pid, stop in helpers:
        if pid not in spared:
            # They end by themselves once nobody can ask them for anything.
            with contextlib.suppress(Exception):
                stop()
    _below(os.getpid(), keep)  # and reap
    return ended


def end(pids: Collection[int]) -> None:
    """Ask processes to end, then end them."""
    with contextlib.ExitStack() as stack:
        poll = select.poll()
        left = set()
        for pid in pids:
            with contextlib.suppress(OSError):
                descriptor = os.pidfd_open(pid)
                stack.callback(os.close, descriptor)
                poll.register(descriptor, select.POLLIN)
                left.add(descriptor)
        for number, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
            for descriptor in left:
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(descriptor, number)
            until = time.monotonic() + seconds
            while left and (rest := until - time.monotonic()) > 0:
                for descriptor, _ in poll.poll(rest * 1000):
                    poll.unregister(descriptor)
                    left.discard(descriptor)
    for pid in pids:
        _reap(pid)


def end_those_in(directory: Path) -> None:
    """End the processes that work in a directory: what is left of a process that died."""
    found = []
    for pid in _all_pids():
        with contextlib.suppress(OSError):
            where = os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115 - for each process there is
            if pid != os.getpid() and Path(where).is_relative_to(directory):
                found.append(pid)
    if found:
        end(found)


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _all_pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - as above


def _parents() -> dict[int, int]:
    parents = {}
    for pid in _all_pids():
        if (status := _status(pid)) is not None:
            parents[pid] = int(status[_PARENT])
    return parents


def _status(pid: int) -> list[bytes] | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - as above
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return None


def _below(top: int, spared: Collection[int]) -> list[int]:
    below: dict[int, list[int]] = {}
    for pid, parent in _parents().items():
        below.setdefault(parent, []).append(pid)
    found, look = [], [top]
    while look:
        for pid in below.get(look.pop(), ()):
            if pid not in spared:
                found.append(pid)
                look.append(pid)
    return found


def _is_alive(pid: int) -> bool:
    """Whether it runs; reaps it if it is a child that has ended."""
    _reap(pid)
    status = _status(pid)
    return status is not None and status[0] != b"Z"


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _helpers() -> list[tuple[int, Any]]:
    """The processes that multiprocessing keeps, and how to end them."""
    helpers = []
    if server := getattr(sys.modules.get("multiprocessing.forkserver"), "_forkserver", None):
        helpers.append((server._forkserver_pid, server._stop))  # noqa: SLF001
    tracker = getattr(
        sys.modules.get("multiprocessing.resource_tracker"), "_resource_tracker", None
    )
    if tracker:
        helpers.append((tracker._pid, tracker._stop))  # noqa: SLF001
    return [(pid, stop) for pid, stop in helpers if pid is not None]
