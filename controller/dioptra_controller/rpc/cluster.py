"""ClusterService: the deployment as an operator sees it."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from dioptra_controller import __version__
from dioptra_ray.api.controller.v1 import cluster_service_pb2 as pb
from dioptra_ray.api.controller.v1 import cluster_service_pb2_grpc as pb_grpc
from dioptra_ray.wire.times import to_timestamp


class Node(Protocol):
    """What is known of a node."""

    @property
    def id(self) -> str:
        """Ray's id of it."""

    @property
    def address(self) -> str:
        """Its network address."""

    @property
    def resources(self) -> Mapping[str, float]:
        """What it has altogether."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""


class RunnerInfo(Protocol):
    """What is known of a connected runner; the scheduling hub has it."""

    @property
    def name(self) -> str:
        """Name for people."""

    @property
    def queues(self) -> Sequence[str]:
        """Queues that it serves."""

    @property
    def started_jobs(self) -> int:
        """Jobs that it runs now."""

    @property
    def slots(self) -> int:
        """How many jobs it takes at once."""

    @property
    def resources(self) -> Mapping[str, float]:
        """Resources of its Ray cluster."""

    @property
    def last_seen(self) -> dt.datetime:
        """When it was last heard of."""

    @property
    def ray_address(self) -> str:
        """Address of its Ray cluster."""

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes of its Ray cluster, by address."""


class ClusterServicer(pb_grpc.ClusterServiceServicer):
    """Answers for the deployment."""

    def __init__(self, store_url: str, runners: Callable[[], Iterable[RunnerInfo]]) -> None:
        self._store_url = store_url
        self._runners = runners

    async def GetCluster(
        self, request: pb.GetClusterRequest, context: Any
    ) -> pb.GetClusterResponse:
        """Show version, store and runners."""
        runners = sorted(self._runners(), key=lambda runner: runner.name)
        return pb.GetClusterResponse(
            version=__version__, store_url=self._store_url, runners=map(_encode, runners)
        )


def _encode(runner: RunnerInfo) -> pb.Runner:
    return pb.Runner(
        name=runner.name,
        queues=runner.queues,
        started_jobs=runner.started_jobs,
        slots=runner.slots,
        resources=runner.resources,
        last_seen=to_timestamp(runner.last_seen),
        ray_address=runner.ray_address,
        nodes=[
            pb.Node(id=node.id, address=node.address, resources=node.resources, labels=node.labels)
            for node in runner.nodes
        ],
    )
