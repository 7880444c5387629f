"""The stream to the controller: takes assignments, delivers reports, survives its loss."""

import asyncio
import contextlib
import logging
import random
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from importlib.metadata import version
from typing import Any

import grpc
import grpc.aio

from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.api.runner.v1.runner_service_pb2_grpc import RunnerServiceStub
from dioptra_workers.runner.capacity import Node
from dioptra_workers.runner.driver import Driver
from dioptra_workers.runner.encode import (
    read_assignment,
    read_lease,
    write_end,
    write_events,
    write_lease,
    write_nodes,
)
from dioptra_workers.runner.orders import JobEnded, LeaseKey, StageWaits
from dioptra_workers.runner.outbox import Outbox
from dioptra_workers.runner.plans import PlanCache
from dioptra_workers.settings import RunnerSettings
from dioptra_workers.stage.events import Event
from dioptra_workers.stage.request import StageFailure

FLUSH_SECONDS = 0.02
"""What a running job says may wait for so long; its end does not wait."""

FEWEST_SLOTS = 4
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
MAX_METADATA_BYTES = 1024 * 1024
SHORTEST_BACKOFF = 0.2
LONGEST_BACKOFF = 5.0
LOOK_SECONDS = 0.5
"""So long a heartbeat waits for Ray to say what the cluster has; then it says what it had."""

_FINAL = {
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNIMPLEMENTED,
}

Seen = tuple[dict[str, float], list[pb.Node]]
"""What a cluster has, altogether and by node."""

log = logging.getLogger(__name__)


class RefusedError(Exception):
    """The controller will not have this runner; trying again changes nothing."""


def open_channel(settings: RunnerSettings) -> grpc.aio.Channel:
    """Open what a runner speaks to its controller through."""
    options = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # Statuses carry every issue of a description in their metadata.
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        # Well below a lease: a stream whose packets are dropped must be missed before that.
        ("grpc.keepalive_time_ms", 6_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        # Else gRPC waits up to two minutes for a controller that is back since long, and all
        # leases are lost meanwhile.
        ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.initial_reconnect_backoff_ms", round(SHORTEST_BACKOFF * 1000)),
        ("grpc.max_reconnect_backoff_ms", round(LONGEST_BACKOFF * 1000)),
    ]
    target = settings.transport.target(settings.controller)
    credentials = settings.transport.credentials(settings.controller)
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, credentials, options=options)


class Link:
    """A runner as the controller sees it."""

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        settings: RunnerSettings,
        driver: Driver,
        *,
        runner_id: str,
        ray_address: str,
        resources: Callable[[], dict[str, float]],
        nodes: Callable[[], Iterable[Node]],
    ) -> None:
        self._settings = settings
        self._driver = driver
        self._runner_id = runner_id
        self._ray_address = ray_address
        self._resources = resources
        self._nodes = nodes
        self._metadata = settings.metadata()
        self._channel = open_channel(settings)
        self._stub: Any = RunnerServiceStub(self._channel)
        self._plans = PlanCache(self._stub, self._metadata)
        self._outbox = Outbox()
        self._flush = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._acknowledged = asyncio.Event()
        # Held until the end of the attempt is committed: sequence of the end, 0 before.
        self._held: dict[LeaseKey, int] = {}
        self._cancelled: set[LeaseKey] = set()
        self._jobs: set[asyncio.Task[None]] = set()
        # A stream takes one message at a time, and breaks when two are written at once.
        self._writing = asyncio.Lock()
        self._seen: Seen | None = None
        self._looking: asyncio.Task[Seen] | None = None
        self._welcomed = False
        self._drains = False
        self._hurry = asyncio.Event()
        self._released = asyncio.Event()
        self._retired = False
        self._leaves = False
        self._said_goodbye = False

    async def run(self) -> None:
        """Serve the controller until we have left; reconnects when the stream is lost.

        Raises:
            RefusedError: The controller refused this runner when it first came.
        """
        backoff = SHORTEST_BACKOFF
        while True:
            try:
                async for _ in self._serve():
                    backoff = SHORTEST_BACKOFF
                if self._said_goodbye:
                    return
            except grpc.aio.AioRpcError as error:
                if error.code() in _FINAL and not self._welcomed:
                    raise RefusedError(error.details()) from None
                log.warning("link.lost: %s %s", error.code().name, error.details())
            await asyncio.sleep(backoff * random.uniform(0.7, 1.3))  # noqa: S311 - only spreads
            backoff = min(backoff * 2, LONGEST_BACKOFF)

    async def drain(self) -> None:
        """Ask for no more jobs, and wait until the end of all that are held is committed."""
        self._drains = True
        self._hurry.set()
        while self._held:
            self._released.clear()
            await self._released.wait()

    def retire(self) -> None:
        """Take no more jobs, and say nothing of those that are stopped from now on."""
        self._retired = True

    def leave(self) -> None:
        """Hand back what is held, and end `run` once the controller knows; retire before."""
        self._leaves = True
        self._flush.set()

    async def close(self) -> None:
        """Forget all jobs and leave; nothing is reported any more."""
        for work in (*self._jobs, *filter(None, [self._looking])):
            work.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        await self._channel.close()

    async def _serve(self) -> AsyncIterator[None]:
        """One stream, to its end; yields once the controller has welcomed us."""
        stream = self._stub.Connect(metadata=self._metadata, wait_for_ready=True)
        helpers: list[asyncio.Task[None]] = []
        try:
            # Who is refused before it has said anything hears why by reading.
            with contextlib.suppress(asyncio.InvalidStateError):
                await stream.write(pb.ConnectRequest(hello=await self._hello()))
            first = await stream.read()
            if first is grpc.aio.EOF:
                return
            if first.welcome.committed_sequence < self._outbox.acknowledged:
                self._begin_anew()
                return
            self._welcome(first.welcome)
            yield
            helpers = [
                asyncio.create_task(self._send(stream)),
                asyncio.create_task(self._beat(stream, first.welcome.heartbeat_seconds)),
            ]
            while (response := await stream.read()) is not grpc.aio.EOF:
                self._handle(response)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            stream.cancel()

    async def _hello(self) -> pb.Hello:
        settings = self._settings
        resources, nodes = await self._latest()
        return pb.Hello(
            runner_id=self._runner_id,
            name=settings.name,
            version=version("dioptra-ray"),
            queues=settings.queues,
            slots=settings.slots or max(FEWEST_SLOTS, round(2 * resources.get("CPU", 0))),
            resources=resources,
            ray_address=self._ray_address,
            store_url=settings.store_url,
            leases=[write_lease(lease) for lease in self._held],
            nodes=nodes,
            draining=self._drains,
        )

    async def _latest(self) -> Seen:
        """What the cluster has now; what it had, when Ray takes its time to say so."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        await asyncio.wait({self._looking}, timeout=LOOK_SECONDS if self._seen else None)
        if self._looking.done():
            looking, self._looking = self._looking, None
            if (error := looking.exception()) is None or self._seen is None:
                self._seen = looking.result()
            else:
                log.warning("link.cluster_unknown: %s", error)
        return self._seen or ({}, [])

    async def _look(self) -> Seen:
        """What the cluster has now, altogether and by node."""
        resources = await asyncio.to_thread(self._resources)
        return resources, list(write_nodes(await asyncio.to_thread(self._nodes)))

    def _begin_anew(self) -> None:
        """The controller has forgotten what it had: its database is a backup, or another one.

        It could not take what comes next from us; as somebody new we have nothing to report.
        """
        log.warning("link.forgotten: the controller does not know what it had committed")
        for lease in self._held:
            self._driver.cancel(lease)
        self._held.clear()
        self._outbox = Outbox()
        self._runner_id = uuid.uuid4().hex

    def _welcome(self, welcome: pb.Welcome) -> None:
        self._welcomed = True
        log.info("link.connected: %s", self._settings.controller)
        self._outbox.rewind(welcome.committed_sequence)
        self._forget_committed(welcome.committed_sequence)
        for lease in map(read_lease, welcome.revoked):
            if self._held.pop(lease, None) is not None:
                self._driver.cancel(lease)
                self._released.set()
        if self._outbox.has_unsent or self._leaves:
            self._flush.set()

    def _handle(self, response: pb.ConnectResponse) -> None:
        match response.WhichOneof("message"):
            case "assignment":
                self._assigned(response.assignment)
            case "cancellation":
                lease = read_lease(response.cancellation.lease)
                if lease in self._held:
                    self._cancelled.add(lease)
                    self._driver.cancel(lease)
            case "acknowledgement":
                self._outbox.acknowledge(response.acknowledgement.sequence)
                self._forget_committed(response.acknowledgement.sequence)
                self._acknowledged.set()

    def _forget_committed(self, sequence: int) -> None:
        for lease, end in list(self._held.items()):
            if 0 < end <= sequence:
                del self._held[lease]
                self._released.set()

    # Jobs

    def _assigned(self, assignment: pb.Assignment) -> None:
        lease = read_lease(assignment.lease)
        if lease in self._held or self._retired:
            return  # said again after a reconnection, or handed back with all others
        self._held[lease] = 0
        job = asyncio.create_task(self._run_job(lease, assignment))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _run_job(self, lease: LeaseKey, assignment: pb.Assignment) -> None:
        def emit(events: Sequence[Event | StageWaits]) -> None:
            if lease in self._held:
                for report in write_events(lease, events):
                    self._outbox.append(report)
                self._flush_soon()

        try:
            plan = await self._plans.get(assignment.plan_digest)
            if lease in self._cancelled:
                ended = JobEnded(outcome="cancelled")
            else:
                ended = await self._driver.run(read_assignment(assignment, plan), emit)
        except Exception as error:  # a job must end, whatever is wrong with us
            log.exception("job.broken: %s", lease)
            failure = StageFailure(
                reason="INTERNAL", message=f"The runner failed: {type(error).__name__}: {error}"
            )
            ended = JobEnded(outcome="failed", failure=failure)
        self._cancelled.discard(lease)
        if lease in self._held and (ended.outcome == "finished" or not self._retired):
            self._held[lease] = self._outbox.append(write_end(lease, ended))
            self._flush.set()

    # Sending

    def _flush_soon(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(FLUSH_SECONDS, self._flush.set)

    async def _send(self, stream: Any) -> None:
        while True:
            await self._flush.wait()
            self._flush.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            while reports := self._outbox.take():
                self._acknowledged.clear()
                await self._write(stream, reports=pb.ReportBatch(reports=reports))
                # While the controller commits, the reports of a busy runner gather, so
                # that few commits hold many, and nobody ever waits for a clock.
                while self._outbox.is_waiting:
                    await self._acknowledged.wait()
                    self._acknowledged.clear()
            if self._leaves:
                await self._write(stream, goodbye=pb.Goodbye())
                self._said_goodbye = True
                return

    async def _beat(self, stream: Any, seconds: float) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), seconds or 1.0)
            self._hurry.clear()
            resources, nodes = await self._latest()
            beat = pb.Heartbeat(resources=resources, nodes=nodes, draining=self._drains)
            await self._write(stream, heartbeat=beat)

    async def _write(self, stream: Any, **message: Any) -> None:
        async with self._writing:
            await stream.write(pb.ConnectRequest(**message))
