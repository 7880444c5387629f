"""ParameterTypeService."""

from typing import Any

from dioptra_controller.database.engine import Database
from dioptra_controller.paging import PageRequest
from dioptra_controller.registry import parameter_types
from dioptra_controller.rpc.encode import write_parameter_type
from dioptra_ray.api.controller.v1 import parameter_type_service_pb2 as pb
from dioptra_ray.api.controller.v1 import parameter_type_service_pb2_grpc as pb_grpc


class ParameterTypeServicer(pb_grpc.ParameterTypeServiceServicer):
    """Answers for parameter types."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ListParameterTypes(
        self, request: pb.ListParameterTypesRequest, context: Any
    ) -> pb.ListParameterTypesResponse:
        """Show a page of them."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        found = await self._database.read(parameter_types.list_page, page, request.search)
        return pb.ListParameterTypesResponse(
            parameter_types=map(write_parameter_type, found.rows),
            next_page_token=found.next_token,
        )
