"""One attempt of a job on the cluster: submits its stages, gathers what they say, decides.

All stages are submitted at once, chained by references, so Ray orders the work. What
remains for the runner is to notice failures, to repeat what may be repeated, and to stop
what need not go on.
"""

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError, TaskCancelledError

from dioptra_workers.runner import capacity, crashes, reuse, saving
from dioptra_workers.runner.autopsy import find_last_words
from dioptra_workers.runner.cluster import stage_function
from dioptra_workers.runner.orders import JobEnded, JobOrder, StageWaits
from dioptra_workers.runner.pool import WarmPool, suits
from dioptra_workers.runner.saving import Saver
from dioptra_workers.runner.sink import SinkClient
from dioptra_workers.runner.stages import (
    StageState,
    arguments,
    first_states,
    release,
    to_repeat,
)
from dioptra_workers.settings import DEFAULT_SAVE_LIMIT
from dioptra_workers.stage.events import Event, LogLine, Phase, StepChanged
from dioptra_workers.stage.failures import stage_timed_out, timed_out
from dioptra_workers.stage.interrupt import Kind
from dioptra_workers.stage.postmortem import LastWords, killed_at_timeout
from dioptra_workers.stage.request import (
    Batch,
    Places,
    StageFailure,
    StageReport,
    StoredArtifact,
)

GRACE = 1.0
"""Seconds that a stage has to stop by itself before its process is killed."""

LATE_EVENTS = 5.0
"""Seconds to wait for events that a stage delivered to the sink before it ended."""

MOST_EXCUSES = 3
"""So often a stage is repeated that failed because of the process it was given."""

Emit = Callable[[Sequence[Event | StageWaits]], None]


class JobRun:
    """Runs one order to its end."""

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        order: JobOrder,
        *,
        places: Places,
        sink: SinkClient,
        pool: WarmPool,
        nodes: capacity.Nodes,
        emit: Emit,
        save_limit: int = DEFAULT_SAVE_LIMIT,
    ) -> None:
        self._order = order
        self._sink = sink
        self._pool = pool
        self._nodes = nodes
        self._emit_events = emit
        self._states = first_states(order, places)
        self._suits_pool = suits(order.plan)
        self._waiting: set[asyncio.Task[tuple[StageState, int, StageReport | RayError]]] = set()
        self._orphans: dict[str, RayError] = {}
        self._phases: dict[str, Phase] = {}
        self._artifacts: tuple[StoredArtifact, ...] = ()
        self._failure: StageFailure | None = None
        self._stopping: Kind | None = None
        self._arrived = asyncio.Event()
        self._timers: list[asyncio.TimerHandle] = []
        self._store_url = places.store_url
        self._saver = Saver(order, self._states, limit=save_limit, say=self._log_line)

    async def run(self) -> JobEnded:
        """Run all stages; returns when none of them runs any more."""
        if self._order.timeout is not None:
            self._later(self._order.timeout, lambda: self.stop("timeout"))
        ends = time.monotonic() + (self._order.timeout or math.inf)
        try:
            if self._order.saved_stages:
                await reuse.find(self._order, self._states, self._store_url, self._log)
            for name in self._states:
                self._submit(name)
            while self._waiting:
                done, self._waiting = await asyncio.wait(
                    self._waiting, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    await self._completed(*task.result())
            for name, error in self._orphans.items():
                await self._settle_orphan(self._states[name], error)
        finally:
            for timer in self._timers:
                timer.cancel()
            if self._stopping is not None:
                self._sink.forget(self._order.lease)
        ended = self._ended()
        if ended.outcome != "failed":
            return ended
        left = min(saving.LONGEST, max(saving.SHORTEST, ends - time.monotonic()))
        return replace(ended, saved_stages=await self._saver.run(left))

    def stop(self, kind: Kind) -> None:
        """Stop all stages: those that listen at once, the others after a grace."""
        if self._stopping is not None or self._saver.is_running:
            if kind == "cancelled":
                self._saver.give_up()
            return
        self._stopping = kind
        self._sink.stop_stages(self._order.lease, kind)
        self._pool.give_up(self._order.lease)
        for state in self._states.values():
            if state.outcome is None and any(
                self._states[name].outcome is None for name in state.stage.after
            ):
                # It waits for its inputs, so it cannot have begun.
                ray.cancel(state.returns[0], force=False)
        self._later(GRACE, self._kill)

    def received(self, batch: Batch) -> None:
        """Take in what a running stage said."""
        state = self._states[batch.stage]
        if batch.round == state.round:
            state.node_id = batch.node_id
            self._waits(state, "")
            self._merge(state, batch.first_event, batch.events)
            self._arrived.set()

    # What happens to stages

    def _submit(self, name: str) -> None:
        state = self._states[name]
        if state.reused is not None:
            run = reuse.load(state, self._states)
        else:
            run = self._run_warm(state) if self._suits_pool else self._run_on_ray(state)
        self._waiting.add(asyncio.create_task(run))

    async def _run_warm(self, state: StageState) -> tuple[StageState, int, StageReport | RayError]:
        tried = state.round
        result = await self._pool.run(self._order, state.request)
        if result is not None:
            return state, tried, result
        if self._stopping is not None:
            return state, tried, StageReport(outcome="cancelled")
        self._call(state)
        return await self._result(state)

    def _run_on_ray(
        self, state: StageState
    ) -> Coroutine[Any, Any, tuple[StageState, int, StageReport | RayError]]:
        self._call(state)
        return self._result(state)

    async def _result(self, state: StageState) -> tuple[StageState, int, StageReport | RayError]:
        tried, cpus = state.round, state.stage.resources.num_cpus
        watching = asyncio.create_task(self._watch_capacity(state))
        try:
            report: StageReport = await state.returns[0]
        except RayError as error:
            return state, tried, error
        finally:
            watching.cancel()
            self._waits(state, "")
            self._pool.make_room(-cpus)
        return state, tried, report

    async def _watch_capacity(self, state: StageState) -> None:
        looks = itertools.count()

        def say(what: str) -> None:
            # Not at once: most environments are there in a moment.
            self._waits(state, what or (self._waits_for_environment(state) if next(looks) else ""))

        await capacity.watch(
            state.stage.resources,
            self._nodes,
            waits=lambda: not state.begun and not state.node_id,
            say=say,
        )

    def _waits_for_environment(self, state: StageState) -> str:
        """What a stage waits for that could begin; Ray does not say which of the two it is."""
        before = (self._states[name].outcome for name in state.stage.after)
        if not self._order.plan.environment.runtime_env or any(one != "finished" for one in before):
            return ""
        return "waits for room on a node, or for Ray to set up its environment"

    def _call(self, state: StageState) -> None:
        """Have Ray run it once what it takes is there."""
        request = state.request
        self._pool.make_room(state.stage.resources.num_cpus)
        resources, count = state.stage.resources, request.num_returns
        function = stage_function(resources, count, self._order.plan.environment.runtime_env)
        returned = function.remote(request, *arguments(state, self._states))
        state.returns = returned if isinstance(returned, list) else [returned]

    async def _completed(
        self, state: StageState, tried: int, result: StageReport | RayError
    ) -> None:
        if tried != state.round:
            return
        if state.reused is not None and isinstance(result, RayError) and self._stopping is None:
            self._run_after_all(state, result)
            return
        if isinstance(result, StageReport):
            await self._reported(state, result)
        elif isinstance(result, RayTaskError) and state.stage.after:
            # Most likely what a stage before it died of, which may not be known yet.
            self._orphans[state.stage.name] = result
        else:
            await self._died(state, result)

    async def _reported(self, state: StageState, report: StageReport) -> None:
        if report.first_event > state.seen:
            await self._late_events(state, report.first_event)
        self._merge(state, report.first_event, report.events)
        self._settle(state, report)

    async def _died(self, state: StageState, error: RayError) -> None:
        request = state.request
        words = await find_last_words(
            request.places.scratch_dir, request.directory, state.seen, state.node_id
        )
        if words is None:
            words = LastWords(events=(), step=self._running_step(state))
        step = words.step
        self._merge(state, state.seen, words.events)
        if self._stopping == "cancelled":
            report = StageReport(outcome="cancelled")
        elif mark := killed_at_timeout(words):
            failure = stage_timed_out(mark.step, state.stage)
            report = StageReport(outcome="failed", failure=failure)
        elif self._stopping == "timeout":
            report = StageReport(outcome="failed", failure=self._job_timed_out(step))
        elif isinstance(error, TaskCancelledError):
            report = StageReport(outcome="cancelled")
        else:
            failure = await crashes.describe(error, words, state.node_id)
            report = StageReport(outcome="failed", failure=failure)
        if step:
            phase: Phase = "cancelled" if report.outcome == "cancelled" else "failed"
            reason = report.failure.exit_reason if report.failure else "cancelled"
            self._step(step, phase, state.round + 1, reason)
        self._settle(state, report)

    def _running_step(self, state: StageState) -> str:
        """The step of a stage that was said to run, and not to have ended."""
        running = (step for step in state.stage.steps if self._phases.get(step) == "running")
        return next(running, "")

    async def _settle_orphan(self, state: StageState, error: RayError) -> None:
        before = (self._states[name].outcome for name in state.stage.after)
        if all(outcome == "finished" for outcome in before):
            await self._died(state, error)
        else:
            state.outcome = "skipped"

    def _settle(self, state: StageState, report: StageReport) -> None:
        failure = report.failure
        if failure is not None and failure.reason == "TIMEOUT" and self._stopping == "timeout":
            failure = self._job_timed_out(failure.step)
        if failure is not None and self._stopping is None:
            if _may_be_excused(state, failure):
                self._excuse(state, failure)
                return
            if _may_repeat(state, failure):
                self._repeat(state, failure)
                return
        state.outcome = report.outcome
        self._artifacts += report.artifacts
        release(self._states)
        if failure is not None and self._failure is None and self._stopping != "cancelled":
            self._failure = failure
            # As in Dioptra, the first failure stops everything.
            if self._waiting:
                self.stop("cancelled")

    def _repeat(self, state: StageState, failure: StageFailure) -> None:
        name, tries = state.stage.name, state.stage.max_retries + 1
        state.repeated += 1
        self._log(f"Try {state.repeated} of {tries} of stage {name} failed: {failure.message}")
        self._again(name)

    def _excuse(self, state: StageState, failure: StageFailure) -> None:
        state.excused += 1
        name = state.stage.name
        self._log(f"Stage {name} runs again, in another process: {failure.message}")
        self._again(name)

    def _run_after_all(self, state: StageState, error: RayError) -> None:
        """What an earlier job has kept of a stage cannot be had."""
        name = state.stage.name
        self._log(f"Stage {name} runs again, what was kept of it is lost: {reuse.why(error)}")
        self._again(*reuse.drop(self._order.plan, self._states, name))

    def _again(self, *names: str) -> None:
        again = to_repeat(self._order.plan, self._states, *names)
        for other in again:
            later = self._states[other]
            self._orphans.pop(other, None)
            later.request = replace(later.request, round=later.round + 1)
            later.seen, later.node_id, later.outcome, later.begun = 0, "", None, False
        for other in again:
            self._submit(other)

    def _kill(self) -> None:
        for state in self._states.values():
            if state.outcome is None and state.returns:
                ray.cancel(state.returns[0], force=True, recursive=False)
        self._pool.kill(self._order.lease)

    # What they say

    async def _late_events(self, state: StageState, first: int) -> None:
        try:
            async with asyncio.timeout(LATE_EVENTS):
                while state.seen < first:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            self._log(f"{first - state.seen} lines of stage {state.stage.name} were lost.")

    def _merge(self, state: StageState, first: int, events: tuple[Event, ...]) -> None:
        fresh = events[max(0, state.seen - first) :]
        state.seen = max(state.seen, first + len(events))
        for event in fresh:
            if isinstance(event, StepChanged):
                self._phases[event.step] = event.phase
                state.begun = True
        if fresh:
            self._emit_events(fresh)

    def _step(self, step: str, phase: Phase, try_number: int = 0, exit_reason: str = "") -> None:
        self._phases[step] = phase
        change = StepChanged(
            time.time(), step, phase, try_number=try_number, exit_reason=exit_reason
        )
        self._emit_events((change,))

    def _waits(self, state: StageState, reason: str) -> None:
        if reason == state.waits:
            return
        state.waits = reason
        name = state.stage.name
        self._emit_events((StageWaits(name, reason),))
        self._log(f"Stage {name} {reason or 'waits no more for what no node has had'}.")

    def _log(self, message: str) -> None:
        self._log_line("WARNING", message)

    def _log_line(self, level: str, message: str) -> None:
        self._emit_events((LogLine(time.time(), level, "dioptra_ray.runner", "", message),))

    def _ended(self) -> JobEnded:
        outcomes = {state.outcome for state in self._states.values()}
        if outcomes == {"finished"}:
            return JobEnded(outcome="finished", artifacts=self._artifacts)
        for step in self._order.plan.order:
            if step not in self._phases:
                self._step(step, "skipped")
        if self._failure is not None:
            return JobEnded(outcome="failed", failure=self._failure)
        if self._stopping == "timeout":
            return JobEnded(outcome="failed", failure=self._job_timed_out(""))
        return JobEnded(outcome="cancelled")

    def _job_timed_out(self, step: str) -> StageFailure:
        return timed_out(step, self._order.timeout, "the job's")

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))


def _may_repeat(state: StageState, failure: StageFailure) -> bool:
    hopeless = failure.reason == "NOT_PICKLABLE"
    return state.repeated < state.stage.max_retries and not hopeless


def _may_be_excused(state: StageState, failure: StageFailure) -> bool:
    """Whether it suffered from its process: ours broke, or died before a step began."""
    broken = failure.reason == "INTERNAL" and bool(failure.error_type)
    died = failure.reason == "PROCESS_DIED" and not state.begun
    return (broken or died) and state.excused < MOST_EXCUSES
