"""What a job has said: events of its stages, each once and in order, and lines of our own."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

from dioptra_workers.runner.orders import StageWaits
from dioptra_workers.runner.stages import StageState
from dioptra_workers.stage.events import Event, LogLine, Phase, StepChanged

LATE_EVENTS = 5.0
"""Seconds to wait for events that a stage delivered to the sink before it ended."""

Emit = Callable[[Sequence[Event | StageWaits]], None]


class Chronicle:
    """Passes on what is said, and remembers where the steps are."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._phases: dict[str, Phase] = {}
        self._arrived = asyncio.Event()

    def merge(self, state: StageState, first: int, events: tuple[Event, ...]) -> None:
        """Take in events of a stage, from its `first` on; those that are known count once."""
        fresh = events[max(0, state.seen - first) :]
        state.seen = max(state.seen, first + len(events))
        for event in fresh:
            if isinstance(event, StepChanged):
                self._phases[event.step] = event.phase
                state.begun = True
        if fresh:
            self._emit(fresh)
        self._arrived.set()

    async def wait_for(self, state: StageState, first: int) -> None:
        """Wait for the events before `first`, which were delivered another way."""
        try:
            async with asyncio.timeout(LATE_EVENTS):
                while state.seen < first:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            self.log(f"{first - state.seen} lines of stage {state.stage.name} were lost.")

    def step(self, step: str, phase: Phase, try_number: int = 0, exit_reason: str = "") -> None:
        """Say of a step what its process could not."""
        self._phases[step] = phase
        change = StepChanged(
            time.time(), step, phase, try_number=try_number, exit_reason=exit_reason
        )
        self._emit((change,))

    def running_step(self, state: StageState) -> str:
        """The step of a stage that was said to run, and not to have ended; empty for none."""
        running = (step for step in state.stage.steps if self._phases.get(step) == "running")
        return next(running, "")

    def skip_rest(self, steps: Iterable[str]) -> None:
        """Say of all those that nobody said anything about that they were skipped."""
        for step in steps:
            if step not in self._phases:
                self.step(step, "skipped")

    def waits(self, state: StageState, reason: str) -> None:
        """Say what a stage waits for, unless that was said last."""
        if reason == state.waits:
            return
        state.waits = reason
        name = state.stage.name
        self._emit((StageWaits(name, reason),))
        self.log(f"Stage {name} {reason or 'waits no more for what no node has had'}.")

    def log(self, message: str, level: str = "WARNING") -> None:
        """Say something of our own."""
        self._emit((LogLine(time.time(), level, "dioptra_ray.runner", "", message),))
