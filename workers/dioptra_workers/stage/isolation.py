"""Runs a stage in a process that does nothing else, before or after.

Starting Python and importing torch would take seconds. So a worker process keeps, for each
plugin set that it isolates, a template process (see `template.py`) and has it fork, each time
for the next stage already.
"""

import os
import time
from pathlib import Path
from typing import Any

from dioptra_ray.errors import DioptraError
from dioptra_workers.stage.artifacts import needed_inputs, plugins_with_readers
from dioptra_workers.stage.events import Event, Phase, StepChanged
from dioptra_workers.stage.failures import describe, died, stage_timed_out, timed_out
from dioptra_workers.stage.interrupt import Kind
from dioptra_workers.stage.live import Push
from dioptra_workers.stage.pluginsets import prepare
from dioptra_workers.stage.postmortem import LastWords, killed_at_timeout, last_words
from dioptra_workers.stage.request import Outcome, StageReport, StageRequest
from dioptra_workers.stage.run import Node, returns, store_of
from dioptra_workers.stage.templates import Exit, FreshProcess, take

_TRIES = 3


def run_isolated(
    request: StageRequest, *arguments: Any, node: Node | None = None, push: Push | None = None
) -> tuple[Any, ...]:
    """`run_stage` in a fresh process."""
    if not all(arguments[: len(request.stage.after)]):
        return returns(request, StageReport(outcome="skipped"), None)
    order = dict(os.environ), request, arguments, node or Node()
    try:
        process = _begin(request, order)
    except (DioptraError, OSError, EOFError) as error:
        return returns(request, StageReport(outcome="failed", failure=describe(error)), None)
    heard = _Heard(push)
    try:
        while True:
            kind, content = process.channel.receive()
            if kind == "done":
                done: tuple[Any, ...] = content
                return done
            process.channel.send(heard.push(*content))
    except (EOFError, OSError):
        report = _report_death(request, heard, process.exit())
        return returns(request, report, None)
    finally:
        process.leave()


def _begin(request: StageRequest, order: tuple[Any, ...]) -> FreshProcess:
    """A fresh process that has taken the order."""
    bundles = plugins_with_readers(request.plugins, needed_inputs(request))
    places = request.places
    store = store_of(places.store_url)
    plugin_set = prepare(bundles, store=store, cache=Path(places.scratch_dir) / "plugins")
    for left in reversed(range(_TRIES)):
        process = take(plugin_set, places.store_url)
        try:
            process.channel.send(order)
            process.channel.receive()
        except (EOFError, OSError):
            # It may have waited for long, and have left in this moment: nothing was run.
            process.leave()
            if not left:
                raise
        else:
            return process
    raise EOFError  # pragma: no cover - the loop returns or raises


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


def _report_death(request: StageRequest, heard: _Heard, end: Exit) -> StageReport:
    """What the process would have reported, as far as its journal tells."""
    seen, stopped = heard.seen, heard.stopped
    words = last_words(request.places.scratch_dir, request.directory, seen)
    words = words or LastWords(events=(), step="")
    outcome: Outcome = "cancelled" if stopped == "cancelled" else "failed"
    failure = None
    if mark := killed_at_timeout(words):
        failure = stage_timed_out(mark.step, request.stage)
    elif stopped == "timeout":
        failure = timed_out(words.step)
    elif stopped is None:
        code = words.exit_code if end.code is None else end.code
        failure = died(words.step, end.signal or words.signal, code)
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
