"""What a template process does once it is warm: fork, reap, and tell how processes have ended."""

import contextlib
import ctypes
import os
import select
import signal
import socket
import struct
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from dioptra_workers.stage.descendants import adopt_orphans, children
from dioptra_workers.stage.spare import be_fresh

FORK, STATUS = b"f", b"s"
"""What the owner may ask: for a process, with its descriptor; and how one has ended."""

READY = b"+"
PID = struct.Struct("=i")
ENDED = struct.Struct("=ii")
"""The answer about how a process has ended: which, and its status; or only which."""

SECONDS_TO_DIE = 2.0
"""For a process that has hung up; then it is killed."""

SECONDS_TO_END = 10.0
"""For killed processes to be gone, before it leaves them to others."""

SECONDS_FOR_STRAYS = 1.0
"""For what a process has started that is dead now, to notice that by itself."""

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_REMEMBERED = 64


@dataclass(slots=True)
class _Dying:
    """When to kill those that should end by themselves."""

    asked: dict[int, float] = field(default_factory=dict)
    strays: dict[int, float] = field(default_factory=dict)

    def wait_seconds(self) -> float | None:
        times = [*self.asked.values(), *self.strays.values()]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def kill_late(self) -> None:
        now = time.monotonic()
        for pid, when in (*self.asked.items(), *self.strays.items()):
            if when <= now:
                _kill(pid)
                self.strays.pop(pid, None)
                if pid in self.asked:
                    self.asked[pid] = now + SECONDS_TO_DIE


class Forker:
    """Forks, reaps, and remembers how its children have ended."""

    def __init__(self, owner: socket.socket, libc: ctypes.CDLL, idle_seconds: float) -> None:
        """Prepare to serve `owner`."""
        self._owner = owner
        self._libc = libc
        self._idle_seconds = idle_seconds
        self._children: set[int] = set()
        self._ended: OrderedDict[int, int] = OrderedDict()
        self._dying = _Dying()
        self._is_told_to_end = False
        self._asked_at = time.monotonic()
        self._wakeup, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        """Do what the owner asks until it is gone."""
        adopt_orphans()
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._end)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        with contextlib.suppress(OSError):
            self._owner.send(READY)
            while not self._is_told_to_end:
                heard = [self._owner.fileno(), self._wakeup]
                ready, _, _ = select.select(heard, [], [], self._patience())
                if self._wakeup in ready:
                    os.read(self._wakeup, 1024)
                    self._reap()
                self._dying.kill_late()
                if self._owner.fileno() in ready and not self._answer():
                    break
                if self._is_idle():
                    break
        self._end_all()
        os._exit(0)

    def _end(self, *_: object) -> None:
        self._is_told_to_end = True

    def _answer(self) -> bool:
        """Do one thing that was asked for; False when the owner is gone."""
        message, descriptors, _, _ = socket.recv_fds(self._owner, 16, 1)
        if not message:
            return False
        self._asked_at = time.monotonic()
        if message == FORK:
            self._fork(descriptors[0])
        else:
            (pid,) = PID.unpack(message[len(STATUS) :])
            if pid in self._children:
                self._dying.asked[pid] = time.monotonic() + SECONDS_TO_DIE
            else:
                self._tell(pid)
        return True

    def _fork(self, descriptor: int) -> None:
        own = os.getpid()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            self._libc.prctl(DIE_WITH_PARENT, signal.SIGKILL)
            if os.getppid() != own:
                os._exit(0)
            self._owner.close()
            os.close(self._wakeup)
            os.close(self._woken)
            be_fresh(descriptor, self._idle_seconds)
        self._children.add(pid)
        os.close(descriptor)

    def _reap(self) -> None:
        died = False
        while (ended := _next_ended()) is not None:
            pid, status = ended
            self._dying.strays.pop(pid, None)
            if pid in self._children:
                died = True
                self._children.discard(pid)
                self._ended[pid] = status
                while len(self._ended) > _REMEMBERED:
                    self._ended.popitem(last=False)
                if self._dying.asked.pop(pid, None) is not None:
                    self._tell(pid)
        if died:
            when = time.monotonic() + SECONDS_FOR_STRAYS
            for pid in children() - self._children:
                self._dying.strays.setdefault(pid, when)

    def _tell(self, pid: int) -> None:
        status = self._ended.get(pid)
        with contextlib.suppress(OSError):
            self._owner.send(PID.pack(pid) if status is None else ENDED.pack(pid, status))

    def _patience(self) -> float | None:
        """Seconds until something is to be done that nobody asks for; None for never."""
        waits = self._dying.wait_seconds()
        if self._children:
            return waits
        idle = max(0.0, self._asked_at + self._idle_seconds - time.monotonic())
        return idle if waits is None else min(idle, waits)

    def _is_idle(self) -> bool:
        return not self._children and time.monotonic() - self._asked_at >= self._idle_seconds

    def _end_all(self) -> None:
        until = time.monotonic() + SECONDS_TO_END
        # What they leave becomes a child of this process, so it takes some rounds.
        while (found := children()) and time.monotonic() < until:
            for pid in found:
                _kill(pid)
            time.sleep(0.005)
            while _next_ended() is not None:
                pass


def _next_ended() -> tuple[int, int] | None:
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
