"""Where running stages deliver to, and learn that they shall stop: a small Ray actor.

Stages cannot call the runner, which is a driver and no actor. The sink is both sides'
meeting point: stages push batches, the runner takes all that came in one call, and tells
the sink what to stop.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from dioptra_workers.runner.orders import LeaseKey
from dioptra_workers.stage.interrupt import Kind
from dioptra_workers.stage.request import Batch

TAKE_SECONDS = 20.0
PAUSE_AFTER_ERROR = 1.0

MOST_STOPPED = 10_000
"""So many stopped attempts are remembered, the latest ones."""

log = logging.getLogger(__name__)


class Sink:
    """The actor: what was pushed and not yet taken, and who shall stop."""

    def __init__(self) -> None:
        self._batches: list[Batch] = []
        self._stopped: dict[LeaseKey, Kind] = {}
        self._arrived = asyncio.Event()

    async def push(self, batch: Batch) -> Kind | None:
        """Take a stage's batch; say whether, and why, it shall stop."""
        self._batches.append(batch)
        self._arrived.set()
        return self._stopped.get((batch.job_id, batch.attempt))

    async def take(self) -> list[Batch]:
        """All that came; waits a while for something to come."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._arrived.wait(), TAKE_SECONDS)
        batches, self._batches = self._batches, []
        self._arrived.clear()
        return batches

    async def stop(self, lease: LeaseKey, kind: Kind) -> None:
        """Let the stages of this attempt stop, also one that Ray starts after its job's end."""
        self._stopped[lease] = kind
        if len(self._stopped) > MOST_STOPPED:
            del self._stopped[next(iter(self._stopped))]


class SinkClient:
    """The runner's side of the sink."""

    def __init__(self, name: str, receive: Callable[[Batch], None]) -> None:
        """Start the actor on this node.

        Args:
            name: Its name, unique on the cluster.
            receive: Gets every batch, in order of arrival.
        """
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._actor: Any = (
            ray.remote(Sink)
            .options(
                name=name,
                num_cpus=0,
                max_restarts=-1,
                max_concurrency=10_000,
                scheduling_strategy=here,
            )
            .remote()
        )
        self._receive = receive
        self._polling: asyncio.Task[None] | None = None
        self.dead = asyncio.Event()
        """Set when Ray is gone as far as this process can tell; it does not come back."""

    def start(self) -> None:
        """Begin to receive."""
        self._polling = asyncio.create_task(self._poll(), name="sink")

    def stop_stages(self, lease: LeaseKey, kind: Kind) -> None:
        """Have the stages of an attempt told to stop."""
        self._actor.stop.remote(lease, kind)

    async def close(self) -> None:
        """Stop receiving, and end the actor."""
        if self._polling is not None:
            self._polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._polling
        ray.kill(self._actor)

    async def _poll(self) -> None:
        while True:
            try:
                batches: list[Batch] = await self._actor.take.remote()
            except ray.exceptions.ActorDiedError as error:
                # It is restarted whenever it can be: our own node is lost, and all with it.
                log.error("sink.dead: %s", error)  # noqa: TRY400 - the trace says nothing more
                self.dead.set()
                return
            except ray.exceptions.RayError as error:
                # Ray restarts it; what it held is delivered again by the stages' reports.
                log.warning("sink.lost: %s", error)
                await asyncio.sleep(PAUSE_AFTER_ERROR)
                continue
            for batch in batches:
                self._receive(batch)
