"""The process that fresh processes are forked from: warm, but untouched by any plugin.

It has imported what a stage needs, and what a plugin set imports from outside of it, but
nothing of the set itself; it has one thread, no Ray, and has not looked for a GPU. For each
stage its owner, a worker process, sends one descriptor, and a fork goes on with that. When
the owner is gone, so is it, with everything that it has forked.

    python -m dioptra_workers.stage.template DESCRIPTOR MODULE...
"""

import ctypes
import faulthandler
import gc
import importlib
import os
import select
import signal
import socket
import sys
import warnings
from collections.abc import Sequence

from dioptra_ray import alias
from dioptra_ray.plugins.grafting import needed_names
from dioptra_workers.stage import run
from dioptra_workers.stage.channel import Channel
from dioptra_workers.stage.environment import pristine
from dioptra_workers.stage.events import Event
from dioptra_workers.stage.interrupt import Kind

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def main(arguments: Sequence[str]) -> None:
    """Fork until the owner hangs up."""
    faulthandler.enable(file=2)  # in what is forked as well: a crash says what it was
    owner = socket.socket(fileno=int(arguments[0]))
    _warm_up(arguments[1:])
    libc = ctypes.CDLL(None)
    libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    wakeup, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    children: set[int] = set()
    owner.send(b"+")
    while True:
        ready, _, _ = select.select([owner.fileno(), wakeup], [], [])
        if wakeup in ready:
            os.read(wakeup, 1024)
            _reap(children)
        if owner.fileno() in ready:
            _, descriptors, _, _ = socket.recv_fds(owner, 1, 1)
            if not descriptors:
                break
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
                for descriptor in (owner.fileno(), wakeup, woken):
                    os.close(descriptor)
                _be_fresh(descriptors[0])
            children.add(pid)
            os.close(descriptors[0])
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)


def _warm_up(modules: Sequence[str]) -> None:
    """Do what every fork would do again, and keep the garbage collector from undoing it."""
    alias.install()
    needed_names()  # of this process, not of plugins
    _preload(modules)
    if "numpy" in sys.modules:
        _preload(["numpy.random"])
    with pristine():
        pass
    gc.collect()
    gc.freeze()


def _preload(modules: Sequence[str]) -> None:
    for name in modules:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(name)
        except Exception:  # noqa: BLE001, S112 - the stage imports it again, and says so
            continue


def _reap(children: set[int]) -> None:
    for pid in tuple(children):
        if os.waitpid(pid, os.WNOHANG)[0]:
            children.discard(pid)


def _be_fresh(descriptor: int) -> None:
    """Run one stage in the present process, and end it."""
    channel = Channel(socket.socket(fileno=descriptor))
    try:
        channel.send("ready")
        environment, request, arguments, node = channel.receive()
        os.environ.clear()
        os.environ.update(environment)

        def push(first: int, events: tuple[Event, ...]) -> Kind | None:
            try:
                channel.send(("push", (first, events)))
                answer: Kind | None = channel.receive()
            except (EOFError, OSError):
                # Whoever wants to know is gone, and the template will be in a moment.
                os.kill(os.getpid(), signal.SIGKILL)
                raise
            return answer

        channel.send(("done", run.run_stage(request, *arguments, node=node, push=push)))
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
