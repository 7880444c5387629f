"""One process of the warm pool, as the runner sees it."""

import asyncio
from typing import Any

import ray
from ray.exceptions import RayError

from dioptra_workers.runner.orders import JobOrder
from dioptra_workers.stage.frames import LENGTH, read_frame, read_report, write_job
from dioptra_workers.stage.request import StageReport, StageRequest
from dioptra_workers.stage.warm import write_order

SECONDS_TO_LEAVE = 2.0


class Member:
    """A process that is ready, or runs a stage.

    Attributes:
        gone: Done when the process has ended; has Ray's error, or None when it left.
    """

    def __init__(
        self, actor: Any, serving: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._actor = actor
        self._reader = reader
        self._writer = writer
        self._known: set[str] = set()
        self.gone: asyncio.Task[RayError | None] = asyncio.create_task(_end(serving))

    async def run(self, order: JobOrder, request: StageRequest) -> StageReport | RayError:
        """Run a stage; whoever gets an error must not use this process again."""
        digest = order.plan_digest
        plan_json = None if digest in self._known else order.plan.to_json()
        frame = write_order(write_job(order.job), digest, plan_json, request.round)
        answering = asyncio.create_task(self._ask(frame))
        # A process that a step has forked may hold the socket open: Ray knows as well.
        await asyncio.wait({answering, self.gone}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done() and answering.exception() is None:
            values = answering.result()
            if values is None:  # it has forgotten the plan
                self._known.discard(digest)
                return await self.run(order, request)
            self._known.add(digest)
            return read_report(values)
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        return await self.gone or RayError("A warm process has left.")

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    def retire(self) -> None:
        """Let it leave, and give its CPU back, whatever it does now."""
        self.close()
        ray.kill(self._actor, no_restart=True)

    async def dismiss(self) -> None:
        """Let it leave by itself: it may be cleaning up after its last stage."""
        self.close()
        await asyncio.wait({self.gone}, timeout=SECONDS_TO_LEAVE)
        ray.kill(self._actor, no_restart=True)

    async def _ask(self, frame: bytes) -> Any:
        self._writer.write(frame)
        await self._writer.drain()
        return await read_message(self._reader)


async def read_message(reader: asyncio.StreamReader) -> Any:
    """Read one frame.

    Raises:
        EOFError: The other side is gone.
        ConnectionError: Likewise.
    """
    header = await reader.readexactly(LENGTH.size)
    (size,) = LENGTH.unpack(header)
    parts = iter((header, await reader.readexactly(size)))
    return read_frame(lambda _: next(parts))


async def _end(serving: Any) -> RayError | None:
    try:
        await serving
    except RayError as error:
        return error
    return None
