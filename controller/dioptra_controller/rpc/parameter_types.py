"""ParameterTypeService."""

import json
from typing import Any

from dioptra_controller.database.engine import Database
from dioptra_controller.registry import parameter_types
from dioptra_controller.rpc.encode import write_parameter_type
from dioptra_controller.rpc.listings import (
    page_with_tags,
    read_listing,
    read_mode,
    with_tags,
)
from dioptra_ray.api.controller.v1 import parameter_type_service_pb2 as pb
from dioptra_ray.api.controller.v1 import parameter_type_service_pb2_grpc as pb_grpc
from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.project.model import ProjectType

KIND = "parameter_type"
MAX_STRUCTURE = 256 * 1024


class ParameterTypeServicer(pb_grpc.ParameterTypeServiceServicer):
    """Answers for parameter types."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def PutParameterType(
        self, request: pb.PutParameterTypeRequest, context: Any
    ) -> pb.PutParameterTypeResponse:
        """Store one whose structure can be used."""
        declared = ProjectType(
            name=request.name,
            description=request.description,
            structure=_read_structure(request),
        )
        stored = await self._database.write(
            parameter_types.put_checked,
            declared,
            mode=read_mode(request.mode),
            group=request.group,
        )
        shown = await self._show(request.name, stored.number)
        return pb.PutParameterTypeResponse(parameter_type=shown, changed=stored.changed)

    async def GetParameterType(
        self, request: pb.GetParameterTypeRequest, context: Any
    ) -> pb.GetParameterTypeResponse:
        """Show one."""
        shown = await self._show(request.name, request.snapshot)
        return pb.GetParameterTypeResponse(parameter_type=shown)

    async def ListParameterTypes(
        self, request: pb.ListParameterTypesRequest, context: Any
    ) -> pb.ListParameterTypesResponse:
        """Show a page of them."""
        found, tags = await self._database.read(
            page_with_tags, KIND, parameter_types.list_page, read_listing(request)
        )
        return pb.ListParameterTypesResponse(
            parameter_types=[write_parameter_type(one, tags) for one in found.rows],
            next_page_token=found.next_token,
        )

    async def _show(self, name: str, number: int) -> pb.ParameterType:
        found, tags = await self._database.read(
            with_tags, KIND, parameter_types.load_snapshot, name, number, deleted=True
        )
        return write_parameter_type(found, tags)


def _read_structure(request: pb.PutParameterTypeRequest) -> Any:
    if len(request.structure_json) > MAX_STRUCTURE:
        raise InvalidRequestError(f"the structure is longer than {MAX_STRUCTURE} characters")
    try:
        return json.loads(request.structure_json or "null") or None
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(
            f"parameter type {request.name!r}: the structure is not JSON: {error}"
        ) from error
