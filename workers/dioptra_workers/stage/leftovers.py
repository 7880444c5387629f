"""Sees to it that threads and processes of a stage end with it.

Processes are ended. Threads cannot be, so a process in which a step has left some running
serves no other stage. Excepted are threads of libraries that keep them for the process, not
for those who call them.
"""

import functools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dioptra_workers.stage.descendants import adopt_orphans, children, end_others
from dioptra_workers.stage.health import spoil

THREAD_GRACE = 0.1
"""Seconds that threads have to end by themselves."""

KEEPERS = frozenset({"dioptra_workers", "grpc", "ray", "torch", "tqdm"})
"""Top-level packages whose threads do nothing for a job that has ended."""


@contextmanager
def swept() -> Iterator[None]:
    """End what the body has started, or else let this process end."""
    _adopt_orphans_in(os.getpid())
    known = children()
    before = frozenset(threading.enumerate())
    try:
        yield
    finally:
        end_others(known)
        if threading.active_count() > len(before) or before != set(threading.enumerate()):
            _see_off([thread for thread in threading.enumerate() if thread not in before])


@functools.cache
def _adopt_orphans_in(_: int) -> None:
    """Once in each process: a fork does not have it from its parent."""
    adopt_orphans()


def _see_off(threads: list[threading.Thread]) -> None:
    until = time.monotonic() + THREAD_GRACE
    for thread in threads:
        if thread is threading.current_thread() or _keeper(thread) in KEEPERS:
            continue
        thread.join(max(0.0, until - time.monotonic()))
        if thread.is_alive():
            spoil(f"A step has left its thread {thread.name!r} running.")


def _keeper(thread: threading.Thread) -> str:
    """The top-level package whose code the thread runs."""
    target = getattr(thread, "_target", None)
    module = getattr(target, "__module__", None) or type(thread).__module__
    return str(module).partition(".")[0]
