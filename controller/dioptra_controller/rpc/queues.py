"""QueueService."""

from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy

from dioptra_controller.database.engine import Database
from dioptra_controller.paging import Page, PageRequest
from dioptra_controller.registry import queues
from dioptra_controller.registry.requests import once
from dioptra_controller.rpc.cluster import RunnerInfo
from dioptra_ray.api.controller.v1 import queue_service_pb2 as pb
from dioptra_ray.api.controller.v1 import queue_service_pb2_grpc as pb_grpc
from dioptra_ray.wire.times import to_timestamp

Loads = dict[str, queues.Load]


class QueueServicer(pb_grpc.QueueServiceServicer):
    """Answers for queues."""

    def __init__(self, database: Database, runners: Callable[[], Iterable[RunnerInfo]]) -> None:
        self._database = database
        self._runners = runners

    async def CreateQueue(
        self, request: pb.CreateQueueRequest, context: Any
    ) -> pb.CreateQueueResponse:
        """Create one, once for a request id."""
        created, loads = await self._database.write(_create, request)
        return pb.CreateQueueResponse(queue=self._encode(created, loads))

    async def GetQueue(self, request: pb.GetQueueRequest, context: Any) -> pb.GetQueueResponse:
        """Show one."""
        found, loads = await self._database.read(_get, request.name)
        return pb.GetQueueResponse(queue=self._encode(found, loads))

    async def ListQueues(
        self, request: pb.ListQueuesRequest, context: Any
    ) -> pb.ListQueuesResponse:
        """Show a page of them."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        found, loads = await self._database.read(_list, page, request.search)
        return pb.ListQueuesResponse(
            queues=[self._encode(queue, loads) for queue in found.rows],
            next_page_token=found.next_token,
        )

    def _encode(self, queue: queues.Queue, loads: Loads) -> pb.Queue:
        load = loads.get(queue.name, queues.Load())
        serving = sorted(runner.name for runner in self._runners() if queue.name in runner.queues)
        return pb.Queue(
            name=queue.name,
            description=queue.description,
            queued_jobs=load.queued,
            started_jobs=load.started,
            runners=serving,
            create_time=to_timestamp(queue.create_time),
        )


def _create(
    connection: sqlalchemy.Connection, request: pb.CreateQueueRequest
) -> tuple[queues.Queue, Loads]:
    name = once(
        connection,
        request.request_id,
        method="CreateQueue",
        content=request.SerializeToString(deterministic=True),
        create=lambda: queues.create(connection, request.name, request.description).name,
    )
    return _get(connection, name)


def _get(connection: sqlalchemy.Connection, name: str) -> tuple[queues.Queue, Loads]:
    return queues.get(connection, name), queues.get_loads(connection, [name])


def _list(
    connection: sqlalchemy.Connection, page: PageRequest, search: str
) -> tuple[Page[queues.Queue], Loads]:
    found = queues.list_page(connection, page, search)
    return found, queues.get_loads(connection, [queue.name for queue in found.rows])
