"""Runs orders on the cluster: many at once, each to its end, nothing about the controller."""

import asyncio
import contextlib
import uuid

import ray

from dioptra_workers.runner.capacity import Nodes
from dioptra_workers.runner.chronicle import Emit
from dioptra_workers.runner.cluster import NAMESPACE
from dioptra_workers.runner.jobs import JobRun
from dioptra_workers.runner.orders import JobEnded, JobOrder, LeaseKey
from dioptra_workers.runner.pool import WarmPool
from dioptra_workers.runner.pulse import Pulse
from dioptra_workers.runner.scratch import ScratchKeeper
from dioptra_workers.runner.sink import SinkClient
from dioptra_workers.settings import DEFAULT_SAVE_LIMIT
from dioptra_workers.stage.request import Batch, Places

WARM_PROCESSES = 8
"""At most so many worker processes are prepared before there is work."""


class Driver:
    """The jobs that run on this cluster now. Ray must be connected.

    Attributes:
        save_limit: Bytes of a stage that are kept at most when its job fails.
    """

    def __init__(
        self,
        *,
        store_url: str,
        scratch_dir: str,
        warm: int = 0,
        save_limit: int = DEFAULT_SAVE_LIMIT,
    ) -> None:
        """Prepare.

        Args:
            store_url: The artifact store, as workers reach it.
            scratch_dir: Directory on every node for working directories and plugins.
            warm: How many CPUs the pool of warm processes may hold.
            save_limit: See the attribute.
        """
        self.save_limit = save_limit
        name = f"dioptra-sink-{uuid.uuid4().hex}"
        self._places = Places(
            store_url=store_url, scratch_dir=scratch_dir, sink=name, namespace=NAMESPACE
        )
        self._sink = SinkClient(name, self._received)
        self._pool = WarmPool(self._places, warm)
        self._nodes = Nodes()
        self._pulse = Pulse()
        self._scratch = ScratchKeeper(store_url)
        self._runs: dict[LeaseKey, JobRun] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    def start(self) -> None:
        """Begin to hear from running stages."""
        self._sink.start()
        self._scratch.start()

    async def warm_up(self) -> None:
        """Have worker processes ready that have imported what a stage needs."""
        await self._pool.start()
        from dioptra_workers.stage.remote import warm_task  # noqa: PLC0415 - needs Ray

        cpus = int(ray.cluster_resources().get("CPU", 1))
        tasks = [warm_task.remote() for _ in range(min(cpus, WARM_PROCESSES))]
        with contextlib.suppress(ray.exceptions.RayError):
            await asyncio.gather(*(asyncio.wrap_future(task.future()) for task in tasks))

    @property
    def leases(self) -> tuple[LeaseKey, ...]:
        """The attempts that run now."""
        return tuple(self._runs)

    async def run(self, order: JobOrder, emit: Emit) -> JobEnded:
        """Run an attempt to its end; `emit` gets what it says, in order, before the end."""
        run = JobRun(
            order,
            places=self._places,
            sink=self._sink,
            pool=self._pool,
            nodes=self._nodes,
            pulse=self._pulse,
            emit=emit,
            save_limit=self.save_limit,
        )
        self._runs[order.lease] = run
        self._idle.clear()
        leaves_files = any(stage.workspace for stage in order.plan.stages)
        if leaves_files:
            self._scratch.begun(order.lease)
        try:
            return await run.run()
        finally:
            if leaves_files:
                self._scratch.ended(order.lease)
            del self._runs[order.lease]
            if not self._runs:
                self._idle.set()

    def cancel(self, lease: LeaseKey) -> None:
        """Stop an attempt; its `run` returns soon. Unknown attempts are over already."""
        if (run := self._runs.get(lease)) is not None:
            run.stop("cancelled")

    async def wait_until_lost(self) -> None:
        """Wait until Ray is gone, and with it all that runs; this process has no use then."""
        await self._sink.dead.wait()

    async def wait_until_idle(self) -> None:
        """Wait until nothing runs."""
        await self._idle.wait()

    async def stop(self) -> None:
        """Stop everything that runs, and wait until it has."""
        for run in tuple(self._runs.values()):
            run.stop("cancelled")
        await self._idle.wait()
        await self._pool.close()
        await self._sink.close()
        await self._scratch.close()

    def _received(self, batch: Batch) -> None:
        self._pulse.heard(batch.node_id)
        if (run := self._runs.get((batch.job_id, batch.attempt))) is not None:
            run.received(batch)
