"""The template processes of a worker process: made, kept while they are wanted, ended."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass

from dioptra_ray.plugins.activation import PluginSet
from dioptra_workers.stage.channel import Channel
from dioptra_workers.stage.forking import ENDED, FORK, PID, SECONDS_TO_DIE, STATUS
from dioptra_workers.stage.imports import heavy_imports
from dioptra_workers.stage.template import TemplateSettings

_KEPT = 2
"""Templates of one worker process: each may have imported a gigabyte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a process has ended.

    Attributes:
        signal: Name of the signal that has ended it; empty for none.
        code: The code with which it left; None if it did not.
    """

    signal: str = ""
    code: int | None = None


class FreshProcess:
    """A process that has run nothing yet, and will run one stage."""

    def __init__(self, template: "Template", channel: Channel) -> None:
        """Wait until it is there.

        Raises:
            EOFError: The template has died, or the process.
            OSError: Likewise.
        """
        self._template = template
        self.channel = channel
        self.pid: int = channel.receive()

    def exit(self) -> Exit:
        """How it has ended, after it hung up; neither way if that cannot be known."""
        return self._template.exit_of(self.pid)

    def leave(self) -> None:
        """Have nothing more to do with it, and let the next one be made."""
        self.channel.close()
        self._template.prepare()


class Template:
    """A template process of ours."""

    def __init__(self, settings: TemplateSettings) -> None:
        """Start it, and wait for its imports."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "dioptra_workers.stage.template"]
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [*command, str(theirs.fileno()), settings.to_json()],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd="/",
            )
        self._socket.recv(1)
        self._spare: Channel | None = None

    def take(self) -> FreshProcess:
        """A fresh process, that waits to be told what to do.

        Raises:
            EOFError: The template has died, or the process.
            OSError: Likewise.
        """
        channel, self._spare = self._spare or self._fork(), None
        try:
            return FreshProcess(self, channel)
        except BaseException:
            channel.close()
            raise

    def prepare(self) -> None:
        """Have a process forked already when the next one is asked for."""
        with contextlib.suppress(OSError):
            self._spare = self._spare or self._fork()

    def exit_of(self, pid: int) -> Exit:
        """How a process that it has forked has ended."""
        self._socket.settimeout(2 * SECONDS_TO_DIE)
        try:
            self._socket.send(STATUS + PID.pack(pid))
            answer = self._socket.recv(ENDED.size)
            while len(answer) >= PID.size and PID.unpack_from(answer) != (pid,):
                answer = self._socket.recv(ENDED.size)  # that was too late for another
        except OSError:
            return Exit()
        finally:
            self._socket.settimeout(None)
        return _exit(ENDED.unpack(answer)[1]) if len(answer) == ENDED.size else Exit()

    def _fork(self) -> Channel:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._socket, [FORK], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        return Channel(ours)

    def close(self) -> None:
        """End it, and what it has forked."""
        if self._spare is not None:
            self._spare.close()
        self._socket.close()
        self._process.wait()


def _exit(status: int) -> Exit:
    if not os.WIFSIGNALED(status):
        return Exit(code=os.WEXITSTATUS(status))
    with contextlib.suppress(ValueError):  # most real-time signals have no name
        return Exit(signal=signal.Signals(os.WTERMSIG(status)).name)
    return Exit()


_templates: OrderedDict[tuple[str, str, str], Template] = OrderedDict()


def take(plugin_set: PluginSet, store_url: str) -> FreshProcess:
    """A fresh process for a stage with these plugins.

    Raises:
        EOFError: None can be had.
        OSError: Likewise.
    """
    key = plugin_set.key, str(plugin_set.root), store_url
    for is_second in (False, True):
        template = _templates.pop(key, None)
        if template is None:
            _make_room()
            settings = TemplateSettings(
                key=plugin_set.key,
                root=str(plugin_set.root),
                store_url=store_url,
                modules=heavy_imports(plugin_set.root),
            )
            template = Template(settings)
        _templates[key] = template
        try:
            return template.take()
        except (EOFError, OSError):
            _templates.pop(key).close()
            if is_second:
                raise
    raise EOFError  # pragma: no cover - the loop returns or raises


def _make_room() -> None:
    while len(_templates) >= _KEPT:
        _templates.popitem(last=False)[1].close()


def close_all() -> None:
    """End all templates of this process."""
    while _templates:
        _templates.popitem()[1].close()
