"""Keeping what a failed job had finished, so that a retry need not run it again.

Each finished stage that others still need is stored by a task of its own, which Ray runs
where most of it is. Nobody waits for this for long: what is not stored in time is not kept.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayError

from dioptra_ray.planning.reuse import needed_stages, reusable_stages
from dioptra_ray.store.saved_stages import SavedOutputs, saved_stage_folder
from dioptra_workers.runner.orders import JobEnded, JobOrder, SavedStage
from dioptra_workers.runner.reuse import parts, why
from dioptra_workers.runner.stages import StageState
from dioptra_workers.stage.saved import Saved

LONGEST, SHORTEST = 120.0, 10.0
"""Seconds for keeping the stages of one job; the latter when its time is over."""

Say = Callable[[str, str], None]
"""Takes a level and a line."""


class Saver:
    """Keeps the finished stages of one attempt that failed.

    Attributes:
        is_running: Whether it has begun.
    """

    def __init__(
        self, order: JobOrder, states: Mapping[str, StageState], *, limit: int, say: Say
    ) -> None:
        """Prepare.

        Args:
            order: What was run.
            states: Its stages, none of which runs any more.
            limit: Bytes of a stage that are kept at most.
            say: Where to say what is kept, and what is not.
        """
        self._order = order
        self._states = states
        self._limit = limit
        self._say = say
        self._tasks: dict[str, Any] = {}
        self._given_up = False
        self.is_running = False

    async def finish(self, ended: JobEnded, ends: float) -> JobEnded:
        """Keep what there is to keep of an attempt that has ended, and let go of the rest.

        Args:
            ended: How it ended.
            ends: When its time is over, by the monotonic clock.
        """
        try:
            if ended.outcome != "failed":
                return ended
            self.is_running = True
            seconds = min(LONGEST, max(SHORTEST, ends - time.monotonic()))
            return replace(ended, saved_stages=await self._keep(seconds))
        except Exception as error:  # noqa: BLE001 - why the job failed matters more
            self._say("WARNING", f"Nothing is kept for a retry: {type(error).__name__}: {error}")
            return ended
        finally:
            # Ray frees what they refer to now, and not when somebody collects us.
            for state in self._states.values():
                state.returns = []

    async def _keep(self, seconds: float) -> tuple[SavedStage, ...]:
        """Store what is needed; what a retry can reuse."""
        finished = [name for name, state in self._states.items() if state.outcome == "finished"]
        needed = needed_stages(self._order.plan, finished)
        kept: dict[str, SavedOutputs] = {}
        for name in finished:
            if (reused := self._states[name].reused) is not None:
                kept[name] = reused.outputs
            elif name not in needed:
                kept[name] = SavedOutputs()
            elif self._limit and not self._given_up:
                self._tasks[name] = self._store(name)
        sizes = await self._gather(seconds, kept)
        names = reusable_stages(self._order.plan, {name: parts(kept[name]) for name in kept})
        if stored := [name for name in names if name in sizes]:
            self._say(
                "INFO",
                f"What stages {', '.join(stored)} made is kept "
                f"({_text(sum(sizes[name] for name in stored))}): to go on from there, "
                f"dioptra-ray job retry {self._order.job.job_id} --from-failed",
            )
        return tuple(self._saved(name, kept[name]) for name in names)

    def give_up(self) -> None:
        """Store nothing more."""
        self._given_up = True
        for task in self._tasks.values():
            ray.cancel(task, force=True)

    def _store(self, name: str) -> Any:
        from dioptra_workers.stage.remote import save_task  # noqa: PLC0415 - needs Ray

        state = self._states[name]
        request = state.request
        exports = {
            step: state.export(step) for step in state.stage.exports if not state.has_released(step)
        }
        has_delta = request.shares_files and not state.has_released_delta
        delta = [state.delta] if has_delta else []
        return save_task.remote(
            request.places,
            self._folder(name),
            self._order.plan_digest,
            tuple(exports),
            self._limit,
            *exports.values(),
            *delta,
        )

    async def _gather(self, seconds: float, kept: dict[str, SavedOutputs]) -> dict[str, int]:
        """Wait for what is being stored; returns the sizes of what was."""
        waiting = {name: asyncio.ensure_future(_end(task)) for name, task in self._tasks.items()}
        if waiting:
            await asyncio.wait(waiting.values(), timeout=seconds)
        sizes = {}
        for name, end in waiting.items():
            if not end.done():
                ray.cancel(self._tasks[name], force=True)
                end.cancel()
                self._refuse(name, f"storing it took more than {seconds:g} seconds")
                continue
            saved = end.result()
            if isinstance(saved, RayError):
                self._refuse(name, "the job was stopped" if self._given_up else why(saved))
            elif saved.outputs is None:
                self._refuse(
                    name,
                    f"it is {_text(saved.size)}, more than {_text(self._limit)} (--save-limit)",
                )
            else:
                kept[name], sizes[name] = saved.outputs, saved.size
        return sizes

    def _refuse(self, name: str, reason: str) -> None:
        self._say("WARNING", f"What stage {name} made is not kept for a retry: {reason}.")

    def _saved(self, name: str, outputs: SavedOutputs) -> SavedStage:
        state = self._states[name]
        if state.reused is not None:
            (given,) = [one for one in self._order.saved_stages if one.stage == name]
            return given
        key = self._folder(name) if outputs.plan_digest else ""
        return SavedStage(stage=name, job_id=self._order.job.job_id, key=key)

    def _folder(self, name: str) -> str:
        return saved_stage_folder(*self._order.lease, name)


async def _end(task: Any) -> Saved | RayError:
    try:
        saved: Saved = await task
    except RayError as error:
        return error
    return saved


def _text(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
