"""QueueService."""

from collections.abc import Callable, Iterable
from dataclasses import replace
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
from dioptra_controller.scheduling.runners import serves
from dioptra_ray.api.controller.v1 import queue_service_pb2 as pb
from dioptra_ray.api.controller.v1 import queue_service_pb2_grpc as pb_grpc
from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.planning import environments
from dioptra_ray.wire.environments import read_environment, write_environment
from dioptra_ray.wire.times import to_timestamp

Loads = dict[str, queues.Load]
_UPDATABLE = ("description", "environment", "max_started_jobs", "priority")


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
        serving = sorted(runner.name for runner in self._runners() if serves(runner, queue.name))
        return pb.Queue(
            name=queue.name,
            description=queue.settings.description,
            queued_jobs=load.queued,
            started_jobs=load.started,
            runners=serving,
            create_time=to_timestamp(queue.create_time),
            snapshot=queue.number,
            tags=tags.get(queue.id, ()),
            delete_time=find_timestamp(queue.delete_time),
            environment=write_environment(queue.settings.environment),
            max_started_jobs=queue.settings.max_started_jobs,
            priority=queue.settings.priority,
            group=queue.group,
        )


def _create(
    connection: sqlalchemy.Connection, request: pb.CreateQueueRequest
) -> tuple[queues.Queue, Loads, Tags]:
    name = once(
        connection,
        request.request_id,
        method="CreateQueue",
        content=request.SerializeToString(deterministic=True),
        create=lambda: (
            queues.create(
                connection, request.name, _read_settings(request), group=request.group
            ).name
        ),
    )
    return _get(connection, name)


def _update(
    connection: sqlalchemy.Connection, request: pb.UpdateQueueRequest
) -> tuple[tuple[queues.Queue, Loads, Tags], bool]:
    paths = frozenset(request.update_mask.paths)
    unknown = sorted(paths - set(_UPDATABLE))
    if unknown or not paths:
        what = f"{', '.join(unknown)} cannot be changed" if unknown else "the mask names nothing"
        known = ", ".join(_UPDATABLE)
        raise InvalidRequestError(f"queue {request.name!r}: {what}; what can is {known}")
    given = _read_settings(request.queue, name=request.name, only=paths)
    new = {path: getattr(given, path) for path in paths}
    stored = queues.change(connection, request.name, lambda present: replace(present, **new))
    return _get(connection, request.name), stored.changed


def _read_settings(
    message: pb.CreateQueueRequest | pb.Queue, *, name: str = "", only: Iterable[str] = _UPDATABLE
) -> queues.Settings:
    """What a queue is to be, as far as `only` says; the rest is as it is by default.

    Raises:
        InvalidRequestError: Something is not allowed; lists everything.
    """
    said = {path: getattr(message, path) for path in only}
    problems: list[str] = []
    if "environment" in said:
        said["environment"], problems = _read_environment(message.environment)
    settings = queues.Settings(**said)
    queues.check(name or message.name, settings, problems)
    return settings


def _read_environment(message: pb.Environment) -> tuple[environments.Environment, list[str]]:
    try:
        mapping = read_environment(message)
    except ValueError as error:
        return environments.NOTHING, [str(error)]
    if problems := environments.find_problems(mapping):
        return environments.NOTHING, problems
    return environments.read_environment(mapping), []


def _get(connection: sqlalchemy.Connection, name: str) -> tuple[queues.Queue, Loads, Tags]:
    found, tags = with_tags(connection, "queue", queues.get, name)
    return found, queues.get_loads(connection, [name]), tags


def _list(
    connection: sqlalchemy.Connection, listing: Listing
) -> tuple[Page[queues.Queue], Loads, Tags]:
    found, tags = page_with_tags(connection, "queue", queues.list_page, listing)
    names = [queue.name for queue in found.rows if queue.delete_time is None]
    return found, queues.get_loads(connection, names), tags
