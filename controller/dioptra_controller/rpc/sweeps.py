"""SweepService."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import sqlalchemy as sa

from dioptra_controller.database.engine import Database
from dioptra_controller.jobs.compiling import Compiler
from dioptra_controller.paging import PageRequest
from dioptra_controller.registry.requests import once
from dioptra_controller.rpc import sweep_messages as messages
from dioptra_controller.scheduling.hub import Hub
from dioptra_controller.sweeps import creation, records, results
from dioptra_ray.api.controller.v1 import sweep_service_pb2 as pb
from dioptra_ray.api.controller.v1 import sweep_service_pb2_grpc as pb_grpc
from dioptra_ray.errors import OutOfRangeError

# A sweep of tiny trials changes thousands of times a second; nobody can look that fast.
_NEWS_SECONDS = 0.25


class SweepServicer(pb_grpc.SweepServiceServicer):
    """Answers for sweeps."""

    def __init__(self, database: Database, hub: Hub) -> None:
        self._database = database
        self._hub = hub
        self._compiler = Compiler()

    async def CreateSweep(
        self, request: pb.CreateSweepRequest, context: Any
    ) -> pb.CreateSweepResponse:
        """Create one, once for a request id."""
        sweep = await self._hub.write(_create, request, self._compiler, self._hub)
        return pb.CreateSweepResponse(sweep=messages.write_sweep(sweep))

    async def GetSweep(self, request: pb.GetSweepRequest, context: Any) -> pb.GetSweepResponse:
        """Show one."""
        sweep = await self._database.read(records.get, request.id, self._hub.spaces)
        return pb.GetSweepResponse(sweep=messages.write_sweep(sweep))

    async def ListSweeps(
        self, request: pb.ListSweepsRequest, context: Any
    ) -> pb.ListSweepsResponse:
        """Show a page of them."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        found = await self._database.read(records.list_page, page, self._hub.spaces)
        return pb.ListSweepsResponse(
            sweeps=map(messages.write_sweep, found.rows), next_page_token=found.next_token
        )

    async def WatchSweep(
        self, request: pb.WatchSweepRequest, context: Any
    ) -> AsyncIterator[pb.WatchSweepResponse]:
        """Send it whenever it has changed, with the trials that ended, until the last one."""
        after = request.after_end_sequence
        with self._hub.watch_sweep(request.id) as changed:
            while True:
                changed.clear()
                news = await self._database.read(
                    results.read_news, request.id, after, self._hub.spaces
                )
                if not 0 <= after <= news.sweep.ended:
                    raise OutOfRangeError(
                        f"{news.sweep.ended} trials of sweep {request.id} have ended, "
                        f"but those after {after} were asked for"
                    )
                yield messages.write_news(news)
                after = news.end_sequence
                if news.is_last:
                    return
                if len(news.ended) < results.BATCH:
                    await changed.wait()
                    if not news.sweep.is_final:
                        await asyncio.sleep(_NEWS_SECONDS)

    async def ListSweepResults(
        self, request: pb.ListSweepResultsRequest, context: Any
    ) -> pb.ListSweepResultsResponse:
        """Show a page of its trials."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        found = await self._database.read(results.list_page, request.id, page, self._hub.spaces)
        return pb.ListSweepResultsResponse(
            results=map(messages.write_result, found.rows), next_page_token=found.next_token
        )

    async def CancelSweep(
        self, request: pb.CancelSweepRequest, context: Any
    ) -> pb.CancelSweepResponse:
        """Stop one."""
        await self._hub.write(records.cancel_sweep, request.id, now=self._hub.now())
        sweep = await self._database.read(records.get, request.id, self._hub.spaces)
        return pb.CancelSweepResponse(sweep=messages.write_sweep(sweep))


def _create(
    connection: sa.Connection, request: pb.CreateSweepRequest, compiler: Compiler, hub: Hub
) -> records.SweepRecord:
    def create() -> str:
        wanted = messages.read_create(request)
        made = creation.create_sweep(connection, wanted, compiler=compiler, now=hub.now())
        return str(made)

    sweep_id = once(
        connection,
        request.request_id,
        method="CreateSweep",
        content=request.SerializeToString(deterministic=True),
        create=create,
    )
    return records.get(connection, int(sweep_id), hub.spaces)
