"""RunnerService: one stream a runner, in both directions."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

from dioptra_controller import __version__
from dioptra_controller.access import auditing
from dioptra_controller.database.engine import Database
from dioptra_controller.jobs.outline import load_plan
from dioptra_controller.jobs.reports import Report
from dioptra_controller.rpc import runner_messages as messages
from dioptra_controller.scheduling.hub import Hub
from dioptra_controller.scheduling.sessions import Session
from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.api.runner.v1 import runner_service_pb2_grpc as pb_grpc
from dioptra_ray.errors import InvalidRequestError, PreconditionError, UnavailableError

# Reports that wait for a commit; beyond them the runner is not listened to.
_WAITING_BATCHES = 64
_REPORTS_A_COMMIT = 2000


class RunnerSettings(Protocol):
    """What the service must be told."""

    @property
    def store_url(self) -> str:
        """The artifact store that everybody uses."""


class RunnerServicer(pb_grpc.RunnerServiceServicer):
    """Talks with runners."""

    def __init__(self, database: Database, hub: Hub, settings: RunnerSettings) -> None:
        self._database = database
        self._hub = hub
        self._settings = settings

    async def Connect(
        self, request_iterator: AsyncIterator[pb.ConnectRequest], context: Any
    ) -> AsyncIterator[pb.ConnectResponse]:
        """Serve a runner from its hello to the end of the stream."""
        first = await anext(aiter(request_iterator), None)
        if first is None or first.WhichOneof("message") != "hello":
            raise InvalidRequestError("the first message of a runner must be hello")
        auditing.about(f"runner {first.hello.name}")
        self._check(first.hello)
        session, greeting = await self._hub.connect(messages.read_hello(first.hello))
        listening = asyncio.create_task(self._listen(session, request_iterator))
        listening.add_done_callback(lambda _: session.close())
        try:
            yield messages.write_welcome(greeting, self._hub.lease_seconds)
            while (message := await session.next_message()) is not None:
                yield messages.write_message(message)
            if not listening.done():
                raise UnavailableError(
                    "the controller has ended the stream: it stops, or the runner was silent "
                    "for too long, or connected twice; connect again"
                )
            await listening
        finally:
            listening.cancel()
            self._hub.disconnect(session)
            await asyncio.gather(listening, return_exceptions=True)

    async def GetPlan(self, request: pb.GetPlanRequest, context: Any) -> pb.GetPlanResponse:
        """Give a plan."""
        plan = await self._database.read(load_plan, request.digest)
        return pb.GetPlanResponse(plan_json=plan)

    def _check(self, hello: pb.Hello) -> None:
        ours, theirs = __version__, hello.version
        if _series(theirs) != _series(ours):
            raise PreconditionError(
                f"the runner is of version {theirs or 'unknown'}, but the controller of {ours}; "
                "install the same version for both",
                controller=ours,
                runner=theirs,
            )
        store = self._settings.store_url
        if hello.store_url.rstrip("/") != store.rstrip("/"):
            raise PreconditionError(
                f"the runner stores artifacts in {hello.store_url!r}, but the controller looks "
                f"for them in {store!r}; give both the same --store-url",
                controller=store,
                runner=hello.store_url,
            )

    async def _listen(self, session: Session, requests: AsyncIterator[pb.ConnectRequest]) -> None:
        """Hear the runner until it leaves or hangs up, and commit what it has said."""
        inbox: asyncio.Queue[list[Report] | None] = asyncio.Queue(_WAITING_BATCHES)
        try:
            async with asyncio.TaskGroup() as tasks:
                hearing = tasks.create_task(self._hear(session, requests, inbox))
                tasks.create_task(self._commit(session, inbox))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        if hearing.result():
            await self._hub.leave(session)

    async def _hear(
        self,
        session: Session,
        requests: AsyncIterator[pb.ConnectRequest],
        inbox: asyncio.Queue[list[Report] | None],
    ) -> bool:
        """Return whether the runner said goodbye."""
        leaves = False
        async for request in requests:
            self._hub.heard(session)
            match request.WhichOneof("message"):
                case "heartbeat":
                    session.resources = dict(request.heartbeat.resources)
                    session.nodes = messages.read_nodes(request.heartbeat.nodes)
                    session.is_draining = request.heartbeat.draining
                case "reports":
                    await inbox.put(list(map(messages.read_report, request.reports.reports)))
                case "hello":
                    raise InvalidRequestError("a runner says hello only once")
                case "goodbye":
                    leaves = True
                    break
        await inbox.put(None)
        return leaves

    async def _commit(self, session: Session, inbox: asyncio.Queue[list[Report] | None]) -> None:
        """Commit what has come; what comes meanwhile makes the next transaction."""
        hung_up = False
        while not hung_up and (reports := await inbox.get()) is not None:
            while len(reports) < _REPORTS_A_COMMIT and not (hung_up or inbox.empty()):
                more = inbox.get_nowait()
                hung_up = more is None
                reports += more or []
            await self._hub.report(session, reports)


def _series(version: str) -> list[str]:
    """Versions of one series understand each other."""
    return version.split(".")[:2]
