"""QueueService."""

from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy

from dioptra_controller.database.engine import Database
from dioptra_controller.paging import Page
from dioptra_controller.registry import queues
from dioptra_controller.registry.listing import Listing
from dioptra_controller.registry.requests import once
from dioptra_controller.rpc.cluster import RunnerInfo
from dioptra_controller.rpc.encode import find_timestamp
from dioptra_controller.rpc.listings import Tags, page_with_tags, read_listing, with_tags
from dioptra_ray.api.controller.v1 import queue_service_pb2 as pb
from dioptra_ray.api.controller.v1 import queue_service_pb2_grpc as pb_grpc
from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.wire.times import to_timestamp

Loads = dict[str, queues.Load]
_UPDATABLE = {"description"}


class QueueServicer(pb_grpc.QueueServiceServicer):
    """Answers for queues."""

    def __init__(self, database: Database, runners: Callable[[], Iterable[RunnerInfo]]) -> None:
        self._database = database
        self._runners = runners

    async def CreateQueue(
        self, request: pb.CreateQueueRequest, context: Any
    ) -> pb.CreateQueueResponse:
        """Create one, once for a request id."""
        created, loads, tags = await self._database.write(_create, request)
        return pb.CreateQueueResponse(queue=self._encode(created, loads, tags))

    async def UpdateQueue(
        self, request: pb.UpdateQueueRequest, context: Any
    ) -> pb.UpdateQueueResponse:
        """Change what the mask names."""
        (updated, loads, tags), changed = await self._database.write(_update, request)
        return pb.UpdateQueueResponse(queue=self._encode(updated, loads, tags), changed=changed)

    async def GetQueue(self, request: pb.GetQueueRequest, context: Any) -> pb.GetQueueResponse:
        """Show one."""
        found, loads, tags = await self._database.read(_get, request.name)
        return pb.GetQueueResponse(queue=self._encode(found, loads, tags))

    async def ListQueues(
        self, request: pb.ListQueuesRequest, context: Any
    ) -> pb.ListQueuesResponse:
        """Show a page of them."""
        found, loads, tags = await self._database.read(_list, read_listing(request))
        return pb.ListQueuesResponse(
            queues=[self._encode(queue, loads, tags) for queue in found.rows],
            next_page_token=found.next_token,
        )

    def _encode(self, queue: queues.Queue, loads: Loads, tags: Tags) -> pb.Queue:
        load = loads.get(queue.name, queues.Load())
        serving = sorted(runner.name for runner in self._runners() if queue.name in runner.queues)
        return pb.Queue(
            name=queue.name,
            description=queue.description,
            queued_jobs=load.queued,
            started_jobs=load.started,
            runners=serving,
            create_time=to_timestamp(queue.create_time),
            snapshot=queue.number,
            tags=tags.get(queue.id, ()),
            delete_time=find_timestamp(queue.delete_time),
        )


def _create(
    connection: sqlalchemy.Connection, request: pb.CreateQueueRequest
) -> tuple[queues.Queue, Loads, Tags]:
    name = once(
        connection,
        request.request_id,
        method="CreateQueue",
        content=request.SerializeToString(deterministic=True),
        create=lambda: queues.create(connection, request.name, request.description).name,
    )
    return _get(connection, name)


def _update(
    connection: sqlalchemy.Connection, request: pb.UpdateQueueRequest
) -> tuple[tuple[queues.Queue, Loads, Tags], bool]:
    unknown = set(request.update_mask.paths) - _UPDATABLE
    if unknown:
        raise InvalidRequestError(
            f"queue {request.name!r}: {', '.join(sorted(unknown))} cannot be changed; "
            f"known are {', '.join(sorted(_UPDATABLE))}"
        )
    changed = False
    if request.update_mask.paths:
        changed = queues.put(connection, request.name, request.queue.description).changed
    return _get(connection, request.name), changed


def _get(connection: sqlalchemy.Connection, name: str) -> tuple[queues.Queue, Loads, Tags]:
    found, tags = with_tags(connection, "queue", queues.get, name)
    return found, queues.get_loads(connection, [name]), tags


def _list(
    connection: sqlalchemy.Connection, listing: Listing
) -> tuple[Page[queues.Queue], Loads, Tags]:
    found, tags = page_with_tags(connection, "queue", queues.list_page, listing)
    names = [queue.name for queue in found.rows if queue.delete_time is None]
    return found, queues.get_loads(connection, names), tags
