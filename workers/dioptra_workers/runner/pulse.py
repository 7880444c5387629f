"""Whether the nodes that run stages can still be reached, whatever Ray thinks of them.

A running stage delivers something every quarter of a second, if only that it lives. When a
node falls silent, we knock at it ourselves: Ray may take minutes to miss a node whose packets
are dropped, and a step that does not let its process deliver is no reason to repeat it.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from ray.exceptions import RayError

from dioptra_workers.runner.cluster import NodeState, find_nodes

T = TypeVar("T")

LOOK_SECONDS = 1.0
SILENT_SECONDS = 5.0
"""A node that nobody has heard of for so long is knocked at."""

KNOCK_SECONDS = 2.0
LOST_SECONDS = 8.0
"""A node that does not open for so long is lost."""

AVOID_SECONDS = 180.0
"""So long nothing is sent to a lost node; by then Ray knows what has become of it."""

ANSWER_SECONDS = 5.0
"""So long the cluster may take to say which nodes there are."""


class Pulse:
    """When each node was last heard of."""

    def __init__(
        self,
        *,
        find: Callable[[], Awaitable[Mapping[str, NodeState]]] = find_nodes,
        knock: Callable[[NodeState], Awaitable[bool]] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Listen.

        Args:
            find: Gives all nodes by Ray's id.
            knock: Whether a node answers; over TCP if not given.
            clock: Seconds.
            sleep: Waits for so many of them.
        """
        self._find = find
        self._knock = knock or opens
        self._clock = clock
        self._sleep = sleep
        self._heard: dict[str, float] = {}
        self._looking: dict[str, asyncio.Task[str]] = {}
        self._lost: dict[str, float] = {}

    @property
    def avoided(self) -> frozenset[str]:
        """Ids of nodes that were given up not long ago."""
        oldest = self._clock() - AVOID_SECONDS
        return frozenset(node_id for node_id, since in self._lost.items() if since > oldest)

    def heard(self, node_id: str) -> None:
        """A node lives."""
        self._heard[node_id] = self._clock()

    async def until_lost(self, where: Callable[[], str]) -> str:
        """Wait until a node cannot be reached any more; for ever, if it can.

        Args:
            where: Ray's id of the node; empty as long as that is not known.

        Returns:
            Its address.
        """
        while True:
            await self._sleep(LOOK_SECONDS)
            node_id = where()
            since = self._heard.get(node_id)
            if since is None or self._clock() - since < SILENT_SECONDS:
                continue
            if address := await self._look_at(node_id):
                return address

    async def _look_at(self, node_id: str) -> str:
        """The address of a node if it is lost; all that wait for it look once."""
        if (looking := self._looking.get(node_id)) is None:
            looking = self._looking[node_id] = asyncio.create_task(self._look(node_id))
            looking.add_done_callback(lambda _: self._looking.pop(node_id, None))
        return await asyncio.shield(looking)

    async def _look(self, node_id: str) -> str:
        since, until = self._heard[node_id], self._clock() + LOST_SECONDS
        while self._heard[node_id] == since:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    nodes = await self._find()
            except (TimeoutError, RayError, ConnectionError):
                return ""  # perhaps it is us who are cut off
            node = nodes.get(node_id)
            if node is None or not node.is_alive:
                break
            if await self._knock(node):
                self.heard(node_id)
                return ""
            if self._clock() >= until:
                break
            await self._sleep(LOOK_SECONDS)
        else:
            return ""
        self._lost[node_id] = self._clock()
        return node.address if node else "of unknown address"


async def opens(node: NodeState) -> bool:
    """Whether the node's raylet accepts a connection."""
    try:
        async with asyncio.timeout(KNOCK_SECONDS):
            _, writer = await asyncio.open_connection(node.address, node.port)
    except (TimeoutError, OSError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def first_of(work: Awaitable[T], losing: Awaitable[str]) -> T | str:
    """The result of some work, or, when the node is lost before, its address."""
    tasks: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(work),
        asyncio.ensure_future(losing),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        first: T | str = (tasks[0] if tasks[0].done() else tasks[1]).result()
        return first
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
