"""Runs one stage in this process, as if the process were fresh and the stage all it does.

A plain function: `remote.py` puts it on Ray. It never raises; whatever happens is in the
report. The driver gets nothing that a user defined, and other stages get it as payloads.
"""

import functools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dioptra_ray import alias
from dioptra_ray.context import CurrentJob, MetricPoint, bind
from dioptra_ray.engine import Execution, Program
from dioptra_ray.plugins.activation import PluginSet, activate, activate_for_good
from dioptra_ray.store import ArtifactStore, open_store
from dioptra_workers.holding import hold
from dioptra_workers.stage.artifacts import (
    foreign_inputs,
    names_taken,
    needed_inputs,
    plugins_with_readers,
    read_foreign_inputs,
    read_inputs,
    write_outputs,
)
from dioptra_workers.stage.capture import capture, finish_lines
from dioptra_workers.stage.consumption import Meter
from dioptra_workers.stage.dioptra_folder import keep_dioptra_folder, write_dioptra_folder
from dioptra_workers.stage.environment import pristine
from dioptra_workers.stage.events import Phase
from dioptra_workers.stage.exports import dump_exports, load_inputs
from dioptra_workers.stage.failures import describe, stage_timed_out
from dioptra_workers.stage.health import spoil, spoiled
from dioptra_workers.stage.interpreter import intact, restore_classes
from dioptra_workers.stage.interrupt import Interrupter
from dioptra_workers.stage.jobfiles import write_job_files
from dioptra_workers.stage.journal import NOTHING, Journal, children_file, journal_of
from dioptra_workers.stage.leftovers import swept
from dioptra_workers.stage.live import LiveFeed, Push
from dioptra_workers.stage.outputs import remove_files
from dioptra_workers.stage.payload import Payload
from dioptra_workers.stage.plans import compiled
from dioptra_workers.stage.pluginsets import prepare
from dioptra_workers.stage.request import StageReport, StageRequest, StoredArtifact
from dioptra_workers.stage.travelling import TravellingFiles
from dioptra_workers.stage.workspace import remove


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Where this process runs.

    Attributes:
        id: Ray's id of the node.
        address: Its network address.
        gpus: Ids of the GPUs that Ray has given the stage.
    """

    id: str = ""
    address: str = "127.0.0.1"
    gpus: tuple[str, ...] = ()


def run_stage(
    request: StageRequest,
    *arguments: Any,
    node: Node | None = None,
    push: Push | None = None,
    later: Callable[[Callable[[], None]], None] | None = None,
    alone: bool = False,
) -> tuple[Any, ...]:
    """Run a stage.

    Args:
        request: What to do.
        arguments: One gate for each of `stage.after`, one payload for each of
            `stage.inputs`, one delta for each of `stage.workspace`.
        node: Where this process runs.
        push: Delivers events of a stage that runs for longer than a moment.
        later: Takes what has to be done before the next stage, but not before the answer;
            without it, that is done at once.
        alone: The process has been settled for this stage, and ends after it: what the
            stage does to it need not be undone.

    Returns:
        The report; if followed, the gate: whether the stage succeeded; a payload for each
        of `stage.exports`; the workspace delta, if it is shared. What was not made is None.
    """
    stage = request.stage
    first, last = len(stage.after), len(stage.after) + len(stage.inputs)
    if not all(arguments[:first]):
        return returns(request, StageReport(outcome="skipped"), None)
    run = _StageRun(request, node or Node(), push, alone=alone)
    report, made = run.run(arguments[first:last], arguments[last:])
    if later is None:
        run.clean_up()
    else:
        later(run.clean_up)
    return returns(request, report, made)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What a stage that succeeded leaves to others."""

    artifacts: tuple[StoredArtifact, ...]
    exports: tuple[Payload, ...]
    delta: Payload | None


def returns(request: StageRequest, report: StageReport, made: _Made | None) -> tuple[Any, ...]:
    """What `run_stage` returns."""
    gate = (made is not None,) if request.followed else ()
    exports = made.exports if made else (None,) * len(request.stage.exports)
    delta = (made.delta if made else None,) if request.shares_files else ()
    return (report, *gate, *exports, *delta)


class _Observer:
    """Writes the engine's progress to the journal; silent while setup steps are replayed."""

    def __init__(self, journal: Journal, feed: LiveFeed) -> None:
        self._journal = journal
        self._feed = feed
        self._meter = Meter()
        self.silent = False

    def step_started(self, step: str) -> None:
        self._journal.step = step
        self._feed.step_started(step)
        if not self.silent:
            self._journal.step_changed(step, "running")
            self._meter.start()

    def step_finished(self, step: str) -> None:
        took = NOTHING if self.silent else self._meter.read()
        self._feed.step_finished()
        finish_lines()
        self._journal.hear_children()
        if not self.silent:
            self._journal.step_changed(step, "finished", took)
        self._journal.step = ""

    def step_ended_badly(self, phase: Phase, exit_reason: str) -> None:
        """The step that runs did not return, if one runs."""
        step = self._journal.step
        if step and not self.silent:
            self._journal.step_changed(step, phase, self._meter.read(), exit_reason)

    def step_failed(self, step: str, error: BaseException) -> None:
        """Nothing: whether it failed or was stopped is known only when the stage ends."""

    def metric(self, point: MetricPoint) -> None:
        if not self.silent:
            self._journal.metric(point.name, point.step, point.value)


class _StageRun:
    """One stage, from an empty directory to its report."""

    def __init__(
        self, request: StageRequest, node: Node, push: Push | None, *, alone: bool
    ) -> None:
        self._request = request
        self._alone = alone
        scratch = Path(request.places.scratch_dir)
        self._cache = scratch / "plugins"
        self._work = scratch / "stages" / request.directory
        try:
            self._work.mkdir()
        except FileNotFoundError:
            self._work.mkdir(parents=True)
        except FileExistsError:  # a runner that died left it
            shutil.rmtree(self._work)
            self._work.mkdir()
        self._held = hold(self._work)
        self._journal_file = journal_of(self._work)
        self._unlink_files()
        self._journal = Journal(
            self._journal_file,
            node=node.address,
            pid=os.getpid(),
            try_number=request.round + 1,
            gpus=node.gpus,
        )
        stage = request.stage
        self._step_timeouts = dict(stage.step_timeouts)
        self._interrupter = Interrupter()
        self._feed = LiveFeed(
            self._journal,
            self._interrupter,
            push,
            timeout=stage.timeout,
            step_timeouts=self._step_timeouts,
        )
        self._observer = _Observer(self._journal, self._feed)

    def run(
        self, inputs: Sequence[Payload], deltas: Sequence[Payload]
    ) -> tuple[StageReport, _Made | None]:
        feed, interrupter = self._feed, self._interrupter
        try:
            # Before the environment is restored: its credentials are hidden from plugins.
            store = store_of(self._request.places.store_url)
            # The feed ends after the interrupter: nothing interrupts what comes afterwards.
            with (
                self._journal,
                nullcontext() if self._alone else pristine(),
                capture(self._journal, self._work),
                swept(),
                feed,
                interrupter,
            ):
                # Decimal and numpy, among others, keep their settings in the context.
                made = copy_context().run(self._make, store, inputs, deltas)
        except BaseException as error:  # noqa: BLE001 - also SystemExit and interruptions
            return self._ended_badly(error), None
        first, events = self._journal.pending()
        report = StageReport(
            outcome="finished",
            first_event=first,
            events=events,
            artifacts=made.artifacts,
            retire=bool(spoiled()),
        )
        return report, made

    def clean_up(self) -> None:
        """Leave nothing behind."""
        if not self._alone:
            restore_classes()
            keep_dioptra_folder(self._work)
        remove(self._work)
        self._unlink_files()
        with suppress(OSError):  # a step may have closed what is not its own
            os.close(self._held)

    def _unlink_files(self) -> None:
        self._journal_file.unlink(missing_ok=True)
        children_file(self._journal_file).unlink(missing_ok=True)
        remove_files(self._work)

    def _ended_badly(self, error: BaseException) -> StageReport:
        step, interrupter = self._journal.step, self._interrupter
        cancelled = interrupter.kind == "cancelled"
        failure = None
        if interrupter.kind == "timeout":
            failure = stage_timed_out(step, self._request.stage)
        elif not cancelled:
            failure = describe(error)
            if failure.reason == "INTERNAL" and failure.error_type:
                spoil("What runs steps has failed: what a job has done to it may last.")
        self._observer.step_ended_badly(
            "cancelled" if cancelled else "failed",
            "cancelled" if failure is None else failure.exit_reason,
        )
        first, events = self._journal.pending()
        return StageReport(
            outcome="cancelled" if cancelled else "failed",
            failure=failure,
            first_event=first,
            events=events,
            retire=bool(spoiled()),
        )

    def _make(
        self, store: ArtifactStore, inputs: Sequence[Payload], deltas: Sequence[Payload]
    ) -> _Made:
        """Everything between entering the directory and leaving it."""
        request, work = self._request, self._work
        os.environ["__JOB_ID"] = str(request.job.job_id)
        os.environ["PYTHONPATH"] = alias.search_path()
        os.chdir(work)
        plan = compiled(request.plan_digest, request.description)
        write_job_files(request.job, plan.text, work)
        files = TravellingFiles(request, work, store)
        files.arrive(deltas)
        needed = needed_inputs(request)
        bundles = plugins_with_readers(request.plugins, needed)
        foreign = foreign_inputs(bundles, needed)
        values = read_foreign_inputs(foreign, store=store, cache=self._cache, directory=work)
        plugin_set = prepare(bundles, store=store, cache=self._cache)
        write_dioptra_folder(work, plugin_set, request.job)
        with _for_good(plugin_set) if self._alone else _for_now(plugin_set):
            own = [given for given in needed if given.name not in values]
            values |= read_inputs(own, store=store, directory=work)
            return self._execute(plan.program, inputs, values, files, store)

    def _execute(
        self,
        program: Program,
        inputs: Sequence[Payload],
        artifacts: dict[str, dict[str, Any]],
        files: TravellingFiles,
        store: ArtifactStore,
    ) -> _Made:
        request, stage = self._request, self._request.stage
        parameters = json.loads(request.job.parameters_json)
        job = CurrentJob(
            id=request.job.job_id,
            parameters=parameters,
            working_directory=self._work,
            metric_sink=self._observer.metric,
        )
        execution = Execution(
            program,
            parameters=parameters,
            artifacts=artifacts,
            working_dir=self._work,
            artifact_tasks=dict(request.artifact_tasks),
            observer=self._observer,
        )
        given = load_inputs(stage.inputs, inputs)
        execution.outputs.update(given)
        with bind(job):
            if stage.setup:
                # What a replayed step does to its values, it has done to them in its first
                # run: it gets copies, and its recorded outputs stay those of that run.
                execution.outputs.update(self._copies_for_setup(inputs))
                self._replay(execution, stage.setup)
                execution.outputs.update(given)
            del given  # else nothing of it could be freed before the end
            kept = {*stage.exports, *program.contents(stage.artifacts)}
            execution.run_steps(stage.steps, kept=kept)
            stored = write_outputs(
                request, execution, store=store, journal=self._journal, directory=self._work
            )
            exports = dump_exports(
                {step: execution.outputs.get(step, {}) for step in stage.exports}
            )
            delta = files.leave()
        return _Made(artifacts=stored, exports=exports, delta=delta)

    def _copies_for_setup(self, inputs: Sequence[Payload]) -> dict[str, dict[str, Any]]:
        stage = self._request.stage
        taken = names_taken(self._request.description, stage.setup)
        pairs = zip(stage.inputs, inputs, strict=True)
        chosen = [(given, payload) for given, payload in pairs if given.step in taken]
        return load_inputs([given for given, _ in chosen], [payload for _, payload in chosen])

    def _replay(self, execution: Execution, setup: Sequence[str]) -> None:
        self._observer.silent = True
        for step in setup:
            execution.run_step(step)
        self._observer.silent = False


@contextmanager
def _for_now(plugin_set: PluginSet) -> Iterator[None]:
    with activate(plugin_set), intact():
        yield


@contextmanager
def _for_good(plugin_set: PluginSet) -> Iterator[None]:
    activate_for_good(plugin_set)
    yield


@functools.lru_cache(maxsize=16)
def store_of(url: str) -> ArtifactStore:
    """One store a process: it reads its settings, and keeps its connections."""
    alias.install()
    return open_store(url)
