"""Queues and experiments."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask

from dioptra_ray.api.controller.v1 import experiment_service_pb2, queue_service_pb2
from dioptra_ray.api.controller.v1.experiment_service_pb2_grpc import ExperimentServiceStub
from dioptra_ray.api.controller.v1.queue_service_pb2_grpc import QueueServiceStub
from dioptra_ray.client.connection import Connection
from dioptra_ray.client.paging import read_pages
from dioptra_ray.client.requests import make
from dioptra_ray.client.resources import Versioned
from dioptra_ray.planning import environments
from dioptra_ray.wire.deployment import Experiment, Queue, read_experiment, read_queue
from dioptra_ray.wire.environments import write_environment


class Queues(Versioned):
    """`client.queues`."""

    kind = "queue"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._stub = QueueServiceStub(connection.channel)

    def create(  # noqa: PLR0913 - each by its name
        self,
        name: str,
        *,
        description: str = "",
        environment: Mapping[str, Any] | None = None,
        max_started_jobs: int = 0,
        priority: int = 0,
        group: str = "",
        request_id: str = "",
    ) -> Queue:
        """Create a queue.

        Args:
            name: Its name.
            description: Free text.
            environment: Where and with what its jobs run: what a step asks for that says
                nothing (`num_cpus`, `num_gpus`, `memory`, `labels`, `resources`), Ray's
                `runtime_env`, and `isolation`. It is stored in plain text: no secrets.
            max_started_jobs: At most so many of its jobs run at once; 0 for no limit.
            priority: Queues with a higher one go first; 0 is normal.
            group: What it belongs to; your own group if not given.
            request_id: Makes the call idempotent.

        Raises:
            InvalidRequestError: Something is not allowed; lists everything.
            AlreadyExistsError: The name is taken.
        """
        request = make(
            queue_service_pb2.CreateQueueRequest,
            request_id=request_id or uuid4().hex,
            name=name,
            description=description,
            environment=write_environment(environments.read_environment(environment or {})),
            max_started_jobs=max_started_jobs,
            priority=priority,
            group=group,
        )
        return read_queue(self._connection.call(self._stub.CreateQueue, request).queue)

    def update(
        self,
        name: str,
        *,
        description: str | None = None,
        environment: Mapping[str, Any] | None = None,
        max_started_jobs: int | None = None,
        priority: int | None = None,
    ) -> Queue:
        """Change what is given; see `create`. An environment takes the place of the whole one.

        Jobs that were submitted before keep the environment that they were submitted with;
        limit and priority count at once.

        Raises:
            InvalidRequestError: Something is not allowed; lists everything.
            NotFoundError: There is no such queue.
        """
        given: dict[str, Any] = {
            "description": description,
            "environment": environment,
            "max_started_jobs": max_started_jobs,
            "priority": priority,
        }
        new = {field: value for field, value in given.items() if value is not None}
        if not new:
            return self.get(name)
        if "environment" in new:
            read = environments.read_environment(new["environment"])
            new["environment"] = write_environment(read)
        request = make(
            queue_service_pb2.UpdateQueueRequest,
            name=name,
            queue=make(queue_service_pb2.Queue, **new),
            update_mask=FieldMask(paths=sorted(new)),
        )
        return read_queue(self._connection.call(self._stub.UpdateQueue, request).queue)

    def get(self, name: str) -> Queue:
        """Read a queue.

        Raises:
            NotFoundError: There is no such queue.
        """
        request = make(queue_service_pb2.GetQueueRequest, name=name)
        return read_queue(self._connection.call(self._stub.GetQueue, request).queue)

    def list(
        self,
        *,
        search: str = "",
        order_by: str = "",
        tag: str = "",
        deleted: bool = False,
        limit: int | None = None,
    ) -> tuple[Queue, ...]:
        """List queues.

        Args:
            search: Only names or descriptions that contain this text.
            order_by: "name" (the default) or "create_time", either with " desc" behind it.
            tag: Only those with this tag.
            deleted: Those that were deleted, instead of those that exist.
            limit: At most this many.
        """

        def fetch(size: int, token: str) -> tuple[Iterator[Queue], str]:
            request = make(
                queue_service_pb2.ListQueuesRequest,
                page_size=size,
                page_token=token,
                search=search,
                order_by=order_by,
                tag=tag,
                deleted=deleted,
            )
            page = self._connection.call(self._stub.ListQueues, request)
            return map(read_queue, page.queues), page.next_page_token

        return read_pages(fetch, limit=limit)


class Experiments(Versioned):
    """`client.experiments`."""

    kind = "experiment"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._stub = ExperimentServiceStub(connection.channel)

    def create(
        self, name: str, *, description: str = "", group: str = "", request_id: str = ""
    ) -> Experiment:
        """Create an experiment; it belongs to your own group if none is given.

        Raises:
            AlreadyExistsError: The name is taken.
        """
        request = make(
            experiment_service_pb2.CreateExperimentRequest,
            request_id=request_id or uuid4().hex,
            name=name,
            description=description,
            group=group,
        )
        response = self._connection.call(self._stub.CreateExperiment, request)
        return read_experiment(response.experiment)

    def get(self, name: str) -> Experiment:
        """Read an experiment.

        Raises:
            NotFoundError: There is no such experiment.
        """
        request = make(experiment_service_pb2.GetExperimentRequest, name=name)
        response = self._connection.call(self._stub.GetExperiment, request)
        return read_experiment(response.experiment)

    def list(
        self,
        *,
        search: str = "",
        order_by: str = "",
        tag: str = "",
        deleted: bool = False,
        limit: int | None = None,
    ) -> tuple[Experiment, ...]:
        """List experiments.

        Args:
            search: Only names or descriptions that contain this text.
            order_by: "name" (the default) or "create_time", either with " desc" behind it.
            tag: Only those with this tag.
            deleted: Those that were deleted, instead of those that exist.
            limit: At most this many.
        """

        def fetch(size: int, token: str) -> tuple[Iterator[Experiment], str]:
            request = make(
                experiment_service_pb2.ListExperimentsRequest,
                page_size=size,
                page_token=token,
                search=search,
                order_by=order_by,
                tag=tag,
                deleted=deleted,
            )
            page = self._connection.call(self._stub.ListExperiments, request)
            return map(read_experiment, page.experiments), page.next_page_token

        return read_pages(fetch, limit=limit)
