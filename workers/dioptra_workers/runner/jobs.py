"""One attempt of a job on the cluster: submits its stages, gathers what they say, decides.

All stages are submitted at once, chained by references, so Ray orders the work. What
remains for the runner is to notice failures, to repeat what may be repeated, and to stop
what need not go on.
"""

import asyncio
import math
import time
from collections.abc import Callable, Collection
from typing import TypeAlias

import ray
from ray.exceptions import RayError, RayTaskError, TaskCancelledError, WorkerCrashedError

from dioptra_workers.runner import capacity, crashes, deaths, outputs, recovery, reuse, waiting
from dioptra_workers.runner.chronicle import Chronicle, Emit
from dioptra_workers.runner.cluster import stage_function
from dioptra_workers.runner.deaths import Death
from dioptra_workers.runner.orders import JobEnded, JobOrder
from dioptra_workers.runner.pool import WarmPool, suits
from dioptra_workers.runner.pulse import Pulse, first_of
from dioptra_workers.runner.saving import Saver
from dioptra_workers.runner.sink import SinkClient
from dioptra_workers.runner.stages import StageState, arguments, first_states, release
from dioptra_workers.settings import DEFAULT_SAVE_LIMIT
from dioptra_workers.stage.events import Phase
from dioptra_workers.stage.failures import stage_timed_out, timed_out
from dioptra_workers.stage.interrupt import Kind
from dioptra_workers.stage.postmortem import killed_at_timeout
from dioptra_workers.stage.request import (
    Batch,
    Places,
    StageFailure,
    StageReport,
    StoredArtifact,
)

GRACE = 1.0
"""Seconds that a stage has to stop by itself before its process is killed."""

Result: TypeAlias = StageReport | Death | RayError
"""How a round of a stage ended; an error means that something before it did not come."""


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
        pulse: Pulse,
        emit: Emit,
        save_limit: int = DEFAULT_SAVE_LIMIT,
    ) -> None:
        self._order = order
        self._sink = sink
        self._pool = pool
        self._nodes = nodes
        self._pulse = pulse
        self._chronicle = Chronicle(emit)
        self._states = first_states(order, places)
        self._suits_pool = suits(order.plan)
        self._waiting: set[asyncio.Task[tuple[StageState, int, Result] | None]] = set()
        # Stages that run again, and the loop's time from when on they may.
        self._held: dict[str, float] = {}
        self._orphans: dict[str, RayError] = {}
        self._lost: set[str] = set()
        self._artifacts: tuple[StoredArtifact, ...] = ()
        self._failure: StageFailure | None = None
        self._stopping: Kind | None = None
        self._stopped = asyncio.Event()
        self._timers: list[asyncio.TimerHandle] = []
        self._store_url = places.store_url
        say = self._chronicle.log
        self._saver = Saver(order, self._states, limit=save_limit, say=lambda at, it: say(it, at))

    async def run(self) -> JobEnded:
        """Run all stages; returns when none of them runs any more."""
        if self._order.timeout is not None:
            self._later(self._order.timeout, lambda: self.stop("timeout"))
        ends = time.monotonic() + (self._order.timeout or math.inf)
        try:
            if self._order.saved_stages:
                warn = self._chronicle.log
                await reuse.find(self._order, self._states, self._store_url, warn)
            if self._stopping is None:
                for name in self._states:
                    self._submit(name)
            while self._waiting or await self._go_on():
                done, self._waiting = await asyncio.wait(
                    self._waiting, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    if (result := task.result()) is not None:
                        await self._completed(*result)
                self._submit_held()
        finally:
            for timer in self._timers:
                timer.cancel()
        return await self._saver.finish(self._ended(), ends)

    def stop(self, kind: Kind) -> None:
        """Stop all stages: those that listen at once, the others after a grace."""
        if self._stopping is not None or self._saver.is_running:
            if kind == "cancelled":
                self._saver.give_up()
            return
        self._stopping = kind
        self._stopped.set()
        self._held.clear()
        self._sink.stop_stages(self._order.lease, kind)
        self._pool.give_up(self._order.lease)
        for state in self._states.values():
            waits = any(self._states[name].outcome is None for name in state.stage.after)
            if state.outcome is None and waits and state.returns:
                # It waits for its inputs, so it cannot have begun.
                ray.cancel(state.returns[0], force=False)
        self._later(GRACE, self._kill)

    def received(self, batch: Batch) -> None:
        """Take in what a running stage said."""
        state = self._states[batch.stage]
        if batch.round == state.round:
            state.node_id = batch.node_id
            self._chronicle.waits(state, "")
            self._chronicle.merge(state, batch.first_event, batch.events)

    # What happens to stages

    def _submit(self, name: str) -> None:
        state = self._states[name]
        if state.reused is not None:
            self._waiting.add(asyncio.create_task(reuse.load(state, self._states)))
        elif self._suits_pool:
            self._waiting.add(asyncio.create_task(self._run_warm(state)))
        else:
            self._call(state)
            self._waiting.add(asyncio.create_task(self._result_or_loss(state)))

    async def _run_warm(self, state: StageState) -> tuple[StageState, int, Result]:
        tried = state.round
        result = await self._pool.run(self._order, state.request)
        if isinstance(result, StageReport):
            return state, tried, result
        if result is not None:
            return state, tried, await self._examine(state, result)
        if self._stopping is not None:
            return state, tried, StageReport(outcome="cancelled")
        self._call(state)
        return await self._result_or_loss(state)

    async def _result_or_loss(self, state: StageState) -> tuple[StageState, int, Result]:
        """Its result, unless its node is lost before Ray knows."""
        tried, reference = state.round, state.returns[0]
        losing = self._pulse.until_lost(lambda: state.node_id if state.round == tried else "")
        result = await first_of(self._result(state), losing)
        if not isinstance(result, str):
            return result
        # What it does there, if it lives, is of a round that is over: nobody takes it.
        ray.cancel(reference, force=True, recursive=False)
        return state, tried, Death(error=WorkerCrashedError(), lost_node=result)

    async def _result(self, state: StageState) -> tuple[StageState, int, Result]:
        tried, cpus = state.round, state.stage.resources.num_cpus
        runtime_env = self._order.plan.environment.runtime_env
        watching = asyncio.create_task(
            waiting.watch(state, self._states, self._nodes, runtime_env, self._chronicle.waits)
        )
        try:
            report: StageReport = await state.returns[0]
        except RayTaskError as error:
            if state.stage.after and not deaths.lost_input(error):
                # Most likely what a stage before it died of, which may not be known yet.
                return state, tried, error
            return state, tried, await self._examine(state, error)
        except RayError as error:
            return state, tried, await self._examine(state, error)
        finally:
            watching.cancel()
            self._chronicle.waits(state, "")
            self._pool.make_room(-cpus)
        return state, tried, report

    async def _examine(self, state: StageState, error: RayError) -> Death:
        return await deaths.examine(
            error,
            state.request,
            first=state.seen,
            node_id=state.node_id,
            given_up=self._stopped.is_set,
        )

    def _call(self, state: StageState) -> None:
        """Have Ray run it once what it takes is there."""
        request = state.request
        self._pool.make_room(state.stage.resources.num_cpus)
        resources, count = state.stage.resources, request.num_returns
        environment, avoid = self._order.plan.environment, self._pulse.avoided
        function = stage_function(resources, count, environment.runtime_env, avoid)
        returned = function.remote(request, *arguments(state, self._states))
        state.returns = returned if isinstance(returned, list) else [returned]

    async def _completed(self, state: StageState, tried: int, result: Result) -> None:
        if tried != state.round:
            return
        match result:
            case StageReport():
                await self._reported(state, result)
            case Death() if result.lost_input and self._stopping is None:
                await self._input_lost(state, result.lost_input)
            case Death():
                await self._died(state, result)
            case RayError() if state.reused is not None and self._stopping is None:
                self._run_after_all(state, result)
            case _:
                self._orphans[state.stage.name] = result

    async def _reported(self, state: StageState, report: StageReport) -> None:
        if report.first_event > state.seen:
            await self._chronicle.wait_for(state, report.first_event)
        self._chronicle.merge(state, report.first_event, report.events)
        state.ended_on = report.node_id
        await self._settle(state, report)

    async def _input_lost(self, state: StageState, lost: str) -> None:
        self._lost.add(lost)
        makers = (self._states[name] for name in state.stage.after)
        found = (one for one in makers if lost in {ref.hex() for ref in one.returns if ref})
        producer = next((one.stage.name for one in found), "before it")
        failure = crashes.input_lost(producer)
        await self._settle(state, StageReport(outcome="failed", failure=failure))

    async def _died(self, state: StageState, death: Death) -> None:
        words = death.words
        step = words.step if words else self._chronicle.running_step(state)
        if words:
            self._chronicle.merge(state, death.first, words.events)
        if self._stopping == "cancelled":
            report = StageReport(outcome="cancelled")
        elif mark := killed_at_timeout(words):
            failure = stage_timed_out(mark.step, state.stage)
            report = StageReport(outcome="failed", failure=failure)
        elif self._stopping == "timeout":
            report = StageReport(outcome="failed", failure=self._job_timed_out(step))
        elif isinstance(death.error, TaskCancelledError):
            report = StageReport(outcome="cancelled")
        else:
            report = StageReport(outcome="failed", failure=crashes.describe(death, step))
        if step:
            reason = report.failure.exit_reason if report.failure else "cancelled"
            phase: Phase = "cancelled" if report.outcome == "cancelled" else "failed"
            self._chronicle.step(step, phase, state.round + 1, reason)
        await self._settle(state, report)

    async def _go_on(self) -> bool:
        """Settle what had no cause that is known; whether anything runs because of that."""
        while self._orphans:
            name, error = self._orphans.popitem()
            state = self._states[name]
            before = (self._states[name].outcome for name in state.stage.after)
            if all(outcome == "finished" for outcome in before):
                await self._died(state, await self._examine(state, error))
            elif name not in self._held:
                state.outcome = "skipped"
        self._submit_held()
        return bool(self._waiting)

    async def _settle(self, state: StageState, report: StageReport) -> None:
        failure = report.failure
        if failure is not None and failure.reason == "TIMEOUT" and self._stopping == "timeout":
            failure = self._job_timed_out(failure.step)
        if failure is not None and self._stopping is None:
            again = recovery.judge(state.stage, state.tries, failure, begun=state.begun)
            if again is not None:
                await self._again(state, again)
                return
        state.outcome = report.outcome
        self._artifacts += report.artifacts
        release(self._states)
        if failure is not None and self._failure is None and self._stopping != "cancelled":
            self._failure = failure
            # As in Dioptra, the first failure stops everything.
            if self._waiting or self._held:
                self.stop("cancelled")

    # What runs again

    async def _again(self, state: StageState, again: recovery.Again) -> None:
        count = getattr(state.tries, again.kind) + 1
        setattr(state.tries, again.kind, count)
        missing = outputs.released(self._states.values())
        if again.kind == "lost":
            missing |= await outputs.lost(self._states.values(), self._lost)
            if self._stopping is not None:
                return
        wait = f" It begins in {again.delay:g} s." if again.delay else ""
        self._chronicle.log(again.said + wait)
        self._repeat({state.stage.name}, missing, again.delay)

    def _run_after_all(self, state: StageState, error: RayError) -> None:
        """What an earlier job has kept of a stage cannot be had."""
        name, why = state.stage.name, reuse.why(error)
        self._chronicle.log(f"Stage {name} runs again, what was kept of it is lost: {why}")
        first = reuse.drop(self._order.plan, self._states, name)
        self._repeat(first, outputs.released(self._states.values()), 0.0)

    def _repeat(
        self, first: Collection[str], missing: Collection[recovery.Output], delay: float
    ) -> None:
        """Have stages run again, with all that must run again for them."""
        # One that has begun holds what it takes.
        have_all = {
            name
            for name, state in self._states.items()
            if name not in first and (state.outcome == "finished" or state.begun)
        }
        names = recovery.to_repeat(
            [state.needs for state in self._states.values()],
            first,
            have_all=have_all,
            missing=missing,
        )
        if others := recovery.say_with(names, first, missing):
            self._chronicle.log(others)
        for state in [self._states[name] for name in names if name not in first]:
            self._fence(state)
        due = asyncio.get_running_loop().time() + delay
        for name in names:
            self._orphans.pop(name, None)
            self._states[name].begin_again()
            self._held[name] = max(due, self._held.get(name, 0.0))

    def _fence(self, state: StageState) -> None:
        """End a round that may be running, and whose result nobody wants any more."""
        before = (self._states[name].outcome for name in state.stage.after)
        if state.outcome is not None or any(outcome != "finished" for outcome in before):
            return  # over, or waiting for what will never come: that ends by itself
        if step := self._chronicle.running_step(state):
            self._chronicle.step(step, "cancelled", state.round + 1, "runs again")
        if state.returns:
            ray.cancel(state.returns[0], force=True, recursive=False)

    def _submit_held(self) -> None:
        """Submit what may run again by now; what takes something of it comes after it."""
        now = asyncio.get_running_loop().time()
        for name, state in self._states.items():
            due = self._held.get(name)
            if due is not None and due <= now and self._held.keys().isdisjoint(state.stage.after):
                del self._held[name]
                self._submit(name)
        if self._held:
            first = min(self._held.values())
            self._waiting.add(asyncio.create_task(self._pause(max(0.0, first - now))))

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return

    def _kill(self) -> None:
        for state in self._states.values():
            if state.outcome is None and state.returns:
                ray.cancel(state.returns[0], force=True, recursive=False)
        self._pool.kill(self._order.lease)

    # How it ended

    def _ended(self) -> JobEnded:
        outcomes = {state.outcome for state in self._states.values()}
        if outcomes == {"finished"}:
            return JobEnded(outcome="finished", artifacts=self._artifacts)
        self._chronicle.skip_rest(self._order.plan.order)
        if self._failure is not None:
            return JobEnded(outcome="failed", failure=self._failure)
        if self._stopping == "timeout":
            return JobEnded(outcome="failed", failure=self._job_timed_out(""))
        return JobEnded(outcome="cancelled")

    def _job_timed_out(self, step: str) -> StageFailure:
        return timed_out(step, self._order.timeout, "the job's")

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))
