"""Runs a stage in a process that does nothing else, before or after.

Starting Python and importing torch would take seconds. So a worker process keeps, for each
plugin set that it isolates, a template process (see `template.py`) and has it fork.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

from dioptra_ray.errors import DioptraError
from dioptra_workers.stage.artifacts import needed_inputs, plugins_with_readers
from dioptra_workers.stage.channel import Channel
from dioptra_workers.stage.events import Event, Phase, StepChanged
from dioptra_workers.stage.failures import describe, died, stage_timed_out, timed_out
from dioptra_workers.stage.imports import heavy_imports
from dioptra_workers.stage.interrupt import Kind
from dioptra_workers.stage.live import Push
from dioptra_workers.stage.pluginsets import prepare
from dioptra_workers.stage.postmortem import LastWords, killed_at_timeout, last_words
from dioptra_workers.stage.request import Outcome, StageReport, StageRequest
from dioptra_workers.stage.run import Node, returns, store_of

_KEPT = 2
"""Templates of one worker process: each may have imported a gigabyte."""


class _Template:
    """A template process of ours."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "dioptra_workers.stage.template"]
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [*command, str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd="/",
            )
        # Whoever comes first waits for the imports.
        self._socket.recv(1)
        self._spare: Channel | None = None

    def take(self) -> Channel:
        """A fresh process, that waits to be told what to do.

        Raises:
            EOFError: The template has died, or the process.
            OSError: Likewise.
        """
        channel, self._spare = self._spare or self._fork(), None
        channel.receive()  # it is there
        return channel

    def prepare(self) -> None:
        """Have a process forked already when the next one is asked for."""
        with contextlib.suppress(OSError):
            self._spare = self._spare or self._fork()

    def _fork(self) -> Channel:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._socket, [b"f"], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        return Channel(ours)

    def close(self) -> None:
        if self._spare is not None:
            self._spare.close()
        self._socket.close()
        self._process.wait()


_templates: OrderedDict[str, _Template] = OrderedDict()


def run_isolated(
    request: StageRequest, *arguments: Any, node: Node | None = None, push: Push | None = None
) -> tuple[Any, ...]:
    """`run_stage` in a fresh process."""
    if not all(arguments[: len(request.stage.after)]):
        return returns(request, StageReport(outcome="skipped"), None)
    try:
        template, channel = _take(request)
    except (DioptraError, OSError, EOFError) as error:
        return returns(request, StageReport(outcome="failed", failure=describe(error)), None)
    heard = _Heard(push)
    try:
        channel.send((dict(os.environ), request, arguments, node or Node()))
        while True:
            kind, content = channel.receive()
            if kind == "done":
                done: tuple[Any, ...] = content
                return done
            channel.send(heard.push(*content))
    except (EOFError, OSError):
        report = _report_death(request, heard.seen, heard.stopped)
        return returns(request, report, None)
    finally:
        channel.close()
        template.prepare()


class _Heard:
    """What the fresh process has said so far."""

    def __init__(self, push: Push | None) -> None:
        self._push = push
        self.seen = 0
        self.stopped: Kind | None = None

    def push(self, first: int, events: tuple[Event, ...]) -> Kind | None:
        if self._push is None:
            return None
        answer = self._push(first, events)
        self.seen = first + len(events)
        self.stopped = answer or self.stopped
        return answer


def _take(request: StageRequest) -> tuple[_Template, Channel]:
    bundles = plugins_with_readers(request.plugins, needed_inputs(request))
    places = request.places
    store = store_of(places.store_url)
    plugin_set = prepare(bundles, store=store, cache=Path(places.scratch_dir) / "plugins")
    key = plugin_set.key
    for is_second in (False, True):
        template = _templates.pop(key, None)
        if template is None:
            template = _Template(heavy_imports(plugin_set.root))
        _templates[key] = template
        while len(_templates) > _KEPT:
            _templates.popitem(last=False)[1].close()
        try:
            return template, template.take()
        except (EOFError, OSError):
            _templates.pop(key).close()
            if is_second:
                raise
    raise EOFError  # pragma: no cover - the loop returns or raises


def _report_death(request: StageRequest, seen: int, stopped: Kind | None) -> StageReport:
    """What the process would have reported, as far as its journal tells."""
    words = last_words(request.places.scratch_dir, request.directory, seen)
    words = words or LastWords(events=(), step="")
    outcome: Outcome = "cancelled" if stopped == "cancelled" else "failed"
    failure = None
    if mark := killed_at_timeout(words):
        failure = stage_timed_out(mark.step, request.stage)
    elif stopped == "timeout":
        failure = timed_out(words.step)
    elif stopped is None:
        failure = died(words.step, words.signal, words.exit_code)
    events = words.events
    if words.step:
        phase: Phase = "cancelled" if outcome == "cancelled" else "failed"
        change = StepChanged(
            time.time(),
            words.step,
            phase,
            try_number=request.round + 1,
            exit_reason="cancelled" if failure is None else failure.exit_reason,
        )
        events = (*events, change)
    return StageReport(outcome=outcome, failure=failure, first_event=seen, events=events)
