"""What is registered: plugins, entrypoints and parameter types."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dioptra_ray.api.controller.v1 import (
    entrypoint_service_pb2,
    parameter_type_service_pb2,
    plugin_service_pb2,
)
from dioptra_ray.api.controller.v1.entrypoint_service_pb2_grpc import EntrypointServiceStub
from dioptra_ray.api.controller.v1.parameter_type_service_pb2_grpc import ParameterTypeServiceStub
from dioptra_ray.api.controller.v1.plugin_service_pb2_grpc import PluginServiceStub
from dioptra_ray.client.connection import Connection
from dioptra_ray.client.paging import read_pages
from dioptra_ray.errors import NotFoundError
from dioptra_ray.plugins.bundle import pack, read_folder
from dioptra_ray.wire.entrypoints import Entrypoint, read_entrypoint
from dioptra_ray.wire.plugins import ParameterType, Plugin, read_parameter_type, read_plugin


class Plugins:
    """`client.plugins`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = PluginServiceStub(connection.channel)

    def put(
        self, source: str | Path | Mapping[str, bytes], *, name: str = "", description: str = ""
    ) -> Plugin:
        """Store a plugin; makes a snapshot only when its content is new.

        Args:
            source: The folder with the plugin's Python files, or their contents by path.
            name: What plugin code imports it by; the folder's name when empty.
            description: Free text.

        Raises:
            InvalidDescriptionError: The source or its registrations are wrong.
        """
        if isinstance(source, Mapping):
            files = source
        else:
            folder = Path(source).resolve()
            name = name or folder.name
            files = read_folder(folder)
        request = plugin_service_pb2.PutPluginRequest(
            name=name, description=description, archive=pack(files).content
        )
        return read_plugin(self._connection.call(self._stub.PutPlugin, request).plugin)

    create = put

    def get(self, name: str, *, snapshot: int = 0) -> Plugin:
        """Read a plugin, its newest snapshot or the given one.

        Raises:
            NotFoundError: There is no such plugin or snapshot.
        """
        request = plugin_service_pb2.GetPluginRequest(name=name, snapshot=snapshot)
        return read_plugin(self._connection.call(self._stub.GetPlugin, request).plugin)

    def list(self, *, search: str = "", limit: int | None = None) -> tuple[Plugin, ...]:
        """List plugins, sorted by name."""

        def fetch(size: int, token: str) -> tuple[Iterator[Plugin], str]:
            request = plugin_service_pb2.ListPluginsRequest(
                page_size=size, page_token=token, search=search
            )
            page = self._connection.call(self._stub.ListPlugins, request)
            return map(read_plugin, page.plugins), page.next_page_token

        return read_pages(fetch, limit=limit)


class Entrypoints:
    """`client.entrypoints`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = EntrypointServiceStub(connection.channel)

    def put(
        self,
        name: str,
        source: str | Path,
        *,
        plugins: Sequence[str] = (),
        description: str = "",
        source_file: str = "",
    ) -> Entrypoint:
        """Store an entrypoint; makes a snapshot only when its content is new.

        Args:
            name: The entrypoint's name.
            source: Its self-contained description, as text, or the file that holds it.
            plugins: Plugins to attach, in their newest snapshots.
            description: Free text.
            source_file: Name of the text's file, for messages.

        Raises:
            InvalidDescriptionError: The description is wrong; `issues` has all of it.
            NotFoundError: No such plugin or file.
        """
        if isinstance(source, Path):
            if not source.is_file():
                raise NotFoundError(f"there is no file {source}")
            source_file = source_file or source.name
            source = source.read_text(encoding="utf-8")
        request = entrypoint_service_pb2.PutEntrypointRequest(
            name=name,
            description=description,
            source=source,
            source_file=source_file,
            plugins=plugins,
        )
        response = self._connection.call(self._stub.PutEntrypoint, request)
        return read_entrypoint(response.entrypoint)

    create = put

    def get(self, name: str, *, snapshot: int = 0) -> Entrypoint:
        """Read an entrypoint, its newest snapshot or the given one.

        Raises:
            NotFoundError: There is no such entrypoint or snapshot.
        """
        request = entrypoint_service_pb2.GetEntrypointRequest(name=name, snapshot=snapshot)
        response = self._connection.call(self._stub.GetEntrypoint, request)
        return read_entrypoint(response.entrypoint)

    def list(self, *, search: str = "", limit: int | None = None) -> tuple[Entrypoint, ...]:
        """List entrypoints, sorted by name."""

        def fetch(size: int, token: str) -> tuple[Iterator[Entrypoint], str]:
            request = entrypoint_service_pb2.ListEntrypointsRequest(
                page_size=size, page_token=token, search=search
            )
            page = self._connection.call(self._stub.ListEntrypoints, request)
            return map(read_entrypoint, page.entrypoints), page.next_page_token

        return read_pages(fetch, limit=limit)


class ParameterTypes:
    """`client.parameter_types`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = ParameterTypeServiceStub(connection.channel)

    def get(self, name: str) -> ParameterType:
        """Read a parameter type.

        Raises:
            NotFoundError: There is no such type.
        """
        for found in self.list(search=name):
            if found.name == name:
                return found
        raise NotFoundError(f"there is no parameter type {name!r}", parameter_type=name)

    def list(self, *, search: str = "", limit: int | None = None) -> tuple[ParameterType, ...]:
        """List parameter types, the built-in ones included, sorted by name."""

        def fetch(size: int, token: str) -> tuple[Iterator[ParameterType], str]:
            request = parameter_type_service_pb2.ListParameterTypesRequest(
                page_size=size, page_token=token, search=search
            )
            page = self._connection.call(self._stub.ListParameterTypes, request)
            return map(read_parameter_type, page.parameter_types), page.next_page_token

        return read_pages(fetch, limit=limit)
