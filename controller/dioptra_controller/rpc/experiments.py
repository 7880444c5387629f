"""ExperimentService."""

from typing import Any

from dioptra_controller.database.engine import Database
from dioptra_controller.paging import PageRequest
from dioptra_controller.registry import experiments
from dioptra_controller.registry.requests import once
from dioptra_ray.api.controller.v1 import experiment_service_pb2 as pb
from dioptra_ray.api.controller.v1 import experiment_service_pb2_grpc as pb_grpc
from dioptra_ray.wire.times import to_timestamp


class ExperimentServicer(pb_grpc.ExperimentServiceServicer):
    """Answers for experiments."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def CreateExperiment(
        self, request: pb.CreateExperimentRequest, context: Any
    ) -> pb.CreateExperimentResponse:
        """Create one, once for a request id."""
        created = await self._database.write(_create, request)
        return pb.CreateExperimentResponse(experiment=_encode(created))

    async def GetExperiment(
        self, request: pb.GetExperimentRequest, context: Any
    ) -> pb.GetExperimentResponse:
        """Show one."""
        found = await self._database.read(experiments.get, request.name)
        return pb.GetExperimentResponse(experiment=_encode(found))

    async def ListExperiments(
        self, request: pb.ListExperimentsRequest, context: Any
    ) -> pb.ListExperimentsResponse:
        """Show a page of them."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        found = await self._database.read(experiments.list_page, page, request.search)
        return pb.ListExperimentsResponse(
            experiments=map(_encode, found.rows), next_page_token=found.next_token
        )


def _create(connection: Any, request: pb.CreateExperimentRequest) -> experiments.Experiment:
    name = once(
        connection,
        request.request_id,
        method="CreateExperiment",
        content=request.SerializeToString(deterministic=True),
        create=lambda: experiments.create(connection, request.name, request.description).name,
    )
    return experiments.get(connection, name)


def _encode(experiment: experiments.Experiment) -> pb.Experiment:
    return pb.Experiment(
        name=experiment.name,
        description=experiment.description,
        create_time=to_timestamp(experiment.create_time),
    )
