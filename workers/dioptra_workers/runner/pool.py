"""Warm processes for the stages that most jobs consist of.

A job whose plan is one stage with one CPU and no other wish goes over a socket to a process
that is there already, which takes a fraction of a millisecond; all others are Ray tasks,
which take several. Each process is a Ray actor that holds one CPU, so Ray's books stay
honest. Since the pool may hold every CPU, it gives way: while Ray tasks of ours are under
way, it keeps only as many processes as they leave CPUs, and none that they need. When
nothing is left, its jobs are Ray tasks too, and wait their turn like all others.

Only for a Ray that is ours alone (or as large as somebody allowed it to be): nobody else
would get the CPUs of idle processes. It lives on the runner's node, behind a Unix socket.
"""

import asyncio
import contextlib
import math
import shutil
import uuid
from pathlib import Path
from typing import Any, cast

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from dioptra_ray.planning.plan import Plan, Resources
from dioptra_workers.holding import make_temporary
from dioptra_workers.runner.member import Member, read_message
from dioptra_workers.runner.orders import JobOrder, LeaseKey
from dioptra_workers.stage.request import Places, StageReport, StageRequest

READY_AT_START = 8
"""At most so many processes are made before there is work."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""Seconds between attempts to make a process that does not come up."""


def suits(plan: Plan) -> bool:
    """Whether a plan's jobs may run in a warm process."""
    only = plan.stages[0] if len(plan.stages) == 1 else None
    if only is None or plan.environment.runtime_env:
        return False
    return only.resources == Resources(num_cpus=1.0)


class WarmPool:
    """The processes, and the stages that wait for one."""

    def __init__(self, places: Places, size: int) -> None:
        """Prepare; `size` is how many CPUs it may hold, 0 for no pool at all."""
        self._places = places
        self._size = size
        self._taken = 0.0
        self._folder: Path | None = None
        self._server: asyncio.Server | None = None
        self._starting: dict[str, tuple[Any, Any]] = {}
        self._members: set[Member] = set()
        self._idle: list[Member] = []
        self._running: dict[LeaseKey, Member] = {}
        # In the order in which they came.
        self._waiting: dict[LeaseKey, asyncio.Future[Member | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._pause = SHORTEST_PAUSE
        self._is_open = False

    @property
    def limit(self) -> int:
        """How many processes there may be now."""
        return max(0, self._size - math.ceil(self._taken)) if self._is_open else 0

    async def start(self) -> None:
        """Make the first processes; does not wait for them."""
        if not self._size:
            return
        self._folder = make_temporary("dioptra-warm-", idle_seconds=60.0)
        self._server = await asyncio.start_unix_server(self._accept, self._socket)
        self._is_open = True
        self._grow(min(self._size, READY_AT_START))

    async def close(self) -> None:
        """End all processes."""
        self._is_open = False
        members, self._members, self._idle = self._members, set(), []
        self._shrink()
        await asyncio.gather(*(member.dismiss() for member in members))
        for actor, _ in self._starting.values():
            ray.kill(actor, no_restart=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def run(self, order: JobOrder, request: StageRequest) -> StageReport | RayError | None:
        """Run the only stage of a job; None when it must go to Ray instead."""
        member = await self._get(order.lease)
        if member is None:
            return None
        self._running[order.lease] = member
        try:
            result = await member.run(order, request)
        finally:
            del self._running[order.lease]
        # One that retires ends by itself, and is replaced when it has.
        if isinstance(result, StageReport) and not result.retire:
            self._release(member)
        return result

    def give_up(self, lease: LeaseKey) -> None:
        """Let this attempt not wait any longer, if it waits."""
        if (waiting := self._waiting.pop(lease, None)) is not None:
            _answer(waiting, None)

    def kill(self, lease: LeaseKey) -> None:
        """End the process that runs this attempt, if one does."""
        if (member := self._running.get(lease)) is not None:
            member.retire()

    def make_room(self, cpus: float) -> None:
        """Ray tasks of ours need so many CPUs more from now on, or fewer when negative."""
        self._taken = max(0.0, self._taken + cpus)
        if cpus > 0:
            self._shrink()
        elif self._waiting or self._size:
            self._grow(min(self.limit, max(READY_AT_START, len(self._waiting))))

    # Processes

    @property
    def _socket(self) -> str:
        return f"{self._folder}/socket"

    def _grow(self, count: int) -> None:
        """Have at least `count` processes, within the limit."""
        while len(self._members) + len(self._starting) < min(count, self.limit):
            key = uuid.uuid4().hex
            here = NodeAffinitySchedulingStrategy(
                ray.get_runtime_context().get_node_id(), soft=False
            )
            from dioptra_workers.stage.remote import WarmProcess  # noqa: PLC0415 - needs Ray

            actor = cast(Any, WarmProcess).options(num_cpus=1, scheduling_strategy=here).remote()
            serving = actor.serve.remote(self._socket, key, self._places)
            self._starting[key] = (actor, serving)
            self._keep(self._watch_start(key, serving))

    def _shrink(self) -> None:
        while self._starting and len(self._members) + len(self._starting) > self.limit:
            _, (actor, _) = self._starting.popitem()
            ray.kill(actor, no_restart=True)
        while self._idle and len(self._members) > self.limit:
            self._retire(self._idle.pop())
        if not self.limit:
            for lease in tuple(self._waiting):
                self.give_up(lease)

    async def _watch_start(self, key: str, serving: Any) -> None:
        """Try again, after a pause, when a process ends before it has come."""
        with contextlib.suppress(RayError):
            await serving
        if self._starting.pop(key, None) is not None and self._is_open:
            await asyncio.sleep(self._pause)
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._grow(len(self._members) + len(self._starting) + 1)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            key, _pid = await read_message(reader)
        except (EOFError, ConnectionError, ValueError):
            key = ""
        started = self._starting.pop(key, None)
        if started is None:  # not wanted any more
            writer.close()
            return
        self._pause = SHORTEST_PAUSE
        member = Member(*started, reader, writer)
        self._members.add(member)
        member.gone.add_done_callback(lambda _: self._lost(member))
        self._release(member)

    def _lost(self, member: Member) -> None:
        member.close()
        if member in self._members:
            self._members.discard(member)
            with contextlib.suppress(ValueError):
                self._idle.remove(member)
            if self._is_open:
                self._grow(len(self._members) + len(self._starting) + 1)

    def _retire(self, member: Member) -> None:
        self._members.discard(member)
        self._keep(member.dismiss())

    # Who uses them

    async def _get(self, lease: LeaseKey) -> Member | None:
        if not self.limit:
            return None
        if self._idle:
            return self._idle.pop()
        waiting: asyncio.Future[Member | None] = asyncio.get_running_loop().create_future()
        self._waiting[lease] = waiting
        self._grow(len(self._members) + len(self._starting) + 1)
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and (member := waiting.result()):
                self._release(member)
            raise
        finally:
            self._waiting.pop(lease, None)

    def _release(self, member: Member) -> None:
        if len(self._members) > self.limit:
            self._retire(member)
            return
        while self._waiting:
            if _answer(self._waiting.pop(next(iter(self._waiting))), member):
                return
        self._idle.append(member)

    def _keep(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _answer(waiting: asyncio.Future[Member | None], member: Member | None) -> bool:
    """Whether somebody still waits for this answer."""
    if waiting.done():
        return False
    waiting.set_result(member)
    return True
