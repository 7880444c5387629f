"""Registered parameter types."""

import json
from collections.abc import Iterator
from typing import Any

from dioptra_ray.api.controller.v1 import parameter_type_service_pb2 as pb
from dioptra_ray.api.controller.v1.parameter_type_service_pb2_grpc import ParameterTypeServiceStub
from dioptra_ray.client.connection import Connection
from dioptra_ray.client.paging import read_pages
from dioptra_ray.client.requests import make
from dioptra_ray.client.resources import Mode, Versioned
from dioptra_ray.wire.plugins import ParameterType, read_parameter_type
from dioptra_ray.wire.resources import write_mode


class ParameterTypes(Versioned):
    """`client.parameter_types`."""

    kind = "parameter_type"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._stub = ParameterTypeServiceStub(connection.channel)

    def put(
        self,
        name: str,
        structure: Any = None,
        *,
        description: str = "",
        mode: Mode = "upsert",
    ) -> ParameterType:
        """Store a type; makes a snapshot only when its content is new.

        Args:
            name: Its name.
            structure: Its definition, such as {"list": "integer"}; None for a simple type.
            description: Free text.
            mode: "create" refuses a name that is taken, "update" one that is free.

        Raises:
            InvalidDescriptionError: The structure is none that an entrypoint could use.
            AlreadyExistsError, NotFoundError: The mode does not allow it.
        """
        request = make(
            pb.PutParameterTypeRequest,
            name=name,
            description=description,
            structure_json=json.dumps(structure),
            mode=write_mode(mode),
        )
        response = self._connection.call(self._stub.PutParameterType, request)
        return read_parameter_type(response.parameter_type)

    def get(self, name: str, *, snapshot: int = 0) -> ParameterType:
        """Read a parameter type, its newest snapshot or the given one.

        Raises:
            NotFoundError: There is no such type or snapshot.
        """
        request = make(pb.GetParameterTypeRequest, name=name, snapshot=snapshot)
        response = self._connection.call(self._stub.GetParameterType, request)
        return read_parameter_type(response.parameter_type)

    def list(
        self,
        *,
        search: str = "",
        order_by: str = "",
        tag: str = "",
        deleted: bool = False,
        limit: int | None = None,
    ) -> tuple[ParameterType, ...]:
        """List parameter types, the built-in ones included.

        Args:
            search: Only names or descriptions that contain this text.
            order_by: "name" (the default) or "create_time", either with " desc" behind it.
            tag: Only those with this tag.
            deleted: Those that were deleted, instead of those that exist.
            limit: At most this many.
        """

        def fetch(size: int, token: str) -> tuple[Iterator[ParameterType], str]:
            request = make(
                pb.ListParameterTypesRequest,
                page_size=size,
                page_token=token,
                search=search,
                order_by=order_by,
                tag=tag,
                deleted=deleted,
            )
            page = self._connection.call(self._stub.ListParameterTypes, request)
            return map(read_parameter_type, page.parameter_types), page.next_page_token

        return read_pages(fetch, limit=limit)
