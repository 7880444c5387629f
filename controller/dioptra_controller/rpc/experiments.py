"""ExperimentService."""

from typing import Any

import sqlalchemy

from dioptra_controller.database.engine import Database
from dioptra_controller.registry import experiments
from dioptra_controller.registry.requests import once
from dioptra_controller.rpc.encode import find_timestamp
from dioptra_controller.rpc.listings import Tags, page_with_tags, read_listing, with_tags
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
        created, tags = await self._database.write(_create, request)
        return pb.CreateExperimentResponse(experiment=_encode(created, tags))

    async def GetExperiment(
        self, request: pb.GetExperimentRequest, context: Any
    ) -> pb.GetExperimentResponse:
        """Show one."""
        found, tags = await self._database.read(_get, request.name)
        return pb.GetExperimentResponse(experiment=_encode(found, tags))

    async def ListExperiments(
        self, request: pb.ListExperimentsRequest, context: Any
    ) -> pb.ListExperimentsResponse:
        """Show a page of them."""
        listing = read_listing(request)
        found, tags = await self._database.read(
            page_with_tags, "experiment", experiments.list_page, listing
        )
        return pb.ListExperimentsResponse(
            experiments=[_encode(one, tags) for one in found.rows],
            next_page_token=found.next_token,
        )


def _create(
    connection: sqlalchemy.Connection, request: pb.CreateExperimentRequest
) -> tuple[experiments.Experiment, Tags]:
    name = once(
        connection,
        request.request_id,
        method="CreateExperiment",
        content=request.SerializeToString(deterministic=True),
        create=lambda: (
            experiments.create(
                connection, request.name, request.description, group=request.group
            ).name
        ),
    )
    return _get(connection, name)


def _get(connection: sqlalchemy.Connection, name: str) -> tuple[experiments.Experiment, Tags]:
    return with_tags(connection, "experiment", experiments.get, name)


def _encode(experiment: experiments.Experiment, tags: Tags) -> pb.Experiment:
    return pb.Experiment(
        name=experiment.name,
        description=experiment.description,
        create_time=to_timestamp(experiment.create_time),
        snapshot=experiment.number,
        tags=tags.get(experiment.id, ()),
        delete_time=find_timestamp(experiment.delete_time),
        group=experiment.group,
    )
