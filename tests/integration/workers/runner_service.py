"""A controller for one runner that does by hand what a test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio

from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.api.runner.v1.runner_service_pb2_grpc import RunnerServiceServicer
from dioptra_ray.planning.plan import Plan


class FakeController(RunnerServiceServicer):
    """Speaks the protocol by hand; commits reports only while `committing`."""

    def __init__(self) -> None:
        self.plans: dict[str, Plan] = {}
        self.hellos: list[pb.Hello] = []
        self.metadata: dict[str, str] = {}
        self.reports: list[pb.Report] = []
        self.received: list[int] = []
        self.heartbeats = 0
        self.draining = False
        self.nodes: list[str] = []
        self.goodbyes = 0
        self.committing = True
        self.heartbeat_seconds = 0.1
        self.revoke = False
        self.refuse: tuple[grpc.StatusCode, str] | None = None
        self.plan_requests = 0
        self._changed = asyncio.Event()
        self._outgoing: asyncio.Queue[pb.ConnectResponse | None] = asyncio.Queue()

    async def Connect(  # noqa: N802
        self, requests: AsyncIterator[pb.ConnectRequest], context: Any
    ) -> AsyncIterator[pb.ConnectResponse]:
        if self.refuse is not None:
            await context.abort(*self.refuse)
        self.metadata = dict(context.invocation_metadata())
        hello = (await anext(requests)).hello
        self.hellos.append(hello)
        self._outgoing = asyncio.Queue()
        self._note()
        welcome = pb.Welcome(
            lease_seconds=30,
            heartbeat_seconds=self.heartbeat_seconds,
            committed_sequence=len(self.reports),
            revoked=hello.leases if self.revoke else [],
        )
        yield pb.ConnectResponse(welcome=welcome)
        reading = asyncio.create_task(self._read(requests))
        try:
            while (response := await self._outgoing.get()) is not None:
                yield response
        finally:
            reading.cancel()

    async def _read(self, requests: AsyncIterator[pb.ConnectRequest]) -> None:
        async for request in requests:
            if request.WhichOneof("message") == "heartbeat":
                self.heartbeats += 1
                self.draining = request.heartbeat.draining
                self.nodes = [node.address for node in request.heartbeat.nodes]
            if request.WhichOneof("message") == "goodbye":
                self.goodbyes += 1
                self.break_stream()
            for report in request.reports.reports:
                self.received.append(report.sequence)
                if self.committing and report.sequence > len(self.reports):
                    assert report.sequence == len(self.reports) + 1, "a gap"
                    self.reports.append(report)
            if self.committing:
                done = pb.Acknowledgement(sequence=len(self.reports))
                self._outgoing.put_nowait(pb.ConnectResponse(acknowledgement=done))
            self._note()

    async def GetPlan(self, request: pb.GetPlanRequest, context: Any) -> Any:  # noqa: N802
        self.plan_requests += 1
        if request.digest not in self.plans:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such plan")
        return pb.GetPlanResponse(plan_json=self.plans[request.digest].to_json())

    def assign(self, job_id: int, plan: Plan, **fields: Any) -> None:
        self.plans[plan.digest] = plan
        assignment = pb.Assignment(
            lease=pb.Lease(job_id=job_id, attempt=1),
            plan_digest=plan.digest,
            parameters_json=b"{}",
            entrypoint="entry",
            **fields,
        )
        self._outgoing.put_nowait(pb.ConnectResponse(assignment=assignment))

    def cancel(self, job_id: int) -> None:
        lease = pb.Lease(job_id=job_id, attempt=1)
        message = pb.ConnectResponse(cancellation=pb.Cancellation(lease=lease))
        self._outgoing.put_nowait(message)

    def break_stream(self) -> None:
        self._outgoing.put_nowait(None)

    def _note(self) -> None:
        self._changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), 60)

    def of(self, job_id: int) -> list[pb.Report]:
        return [report for report in self.reports if report.job_id == job_id]

    def end(self, job_id: int) -> pb.AttemptEnded | None:
        for report in self.of(job_id):
            if report.WhichOneof("event") == "attempt_ended":
                return report.attempt_ended
        return None
