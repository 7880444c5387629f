"""Registered plugins, their files and their tasks."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from dioptra_ray.api.controller.v1 import plugin_service_pb2 as pb
from dioptra_ray.api.controller.v1.plugin_service_pb2_grpc import PluginServiceStub
from dioptra_ray.client.connection import Connection
from dioptra_ray.client.paging import read_pages
from dioptra_ray.client.requests import make
from dioptra_ray.client.resources import Mode, Versioned
from dioptra_ray.plugins.bundle import pack, read_folder
from dioptra_ray.wire.plugins import Plugin, RegisteredTask, read_plugin, read_registered_task
from dioptra_ray.wire.resources import write_mode


class Plugins(Versioned):
    """`client.plugins`."""

    kind = "plugin"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._stub = PluginServiceStub(connection.channel)

    def put(
        self,
        source: str | Path | Mapping[str, bytes],
        *,
        name: str = "",
        description: str = "",
        mode: Mode = "upsert",
        group: str = "",
    ) -> Plugin:
        """Store a plugin; makes a snapshot only when its content is new.

        Args:
            source: The folder with the plugin's Python files, or their contents by path.
            name: What plugin code imports it by; the folder's name when empty.
            description: Free text.
            mode: "create" refuses a name that is taken, "update" one that is free.
            group: What it belongs to if it is new; your own group if not given.

        Raises:
            InvalidDescriptionError: The source or its registrations are wrong.
            AlreadyExistsError, NotFoundError: The mode does not allow it.
        """
        if isinstance(source, Mapping):
            files = source
        else:
            folder = Path(source).resolve()
            name = name or folder.name
            files = read_folder(folder)
        request = make(
            pb.PutPluginRequest,
            name=name,
            description=description,
            archive=pack(files).content,
            mode=write_mode(mode),
            group=group,
        )
        return read_plugin(self._connection.call(self._stub.PutPlugin, request).plugin)

    def create(
        self,
        source: str | Path | Mapping[str, bytes],
        *,
        name: str = "",
        description: str = "",
    ) -> Plugin:
        """Store a plugin whose name must be new; see `put`."""
        return self.put(source, name=name, description=description, mode="create")

    def get(self, name: str, *, snapshot: int = 0) -> Plugin:
        """Read a plugin, its newest snapshot or the given one.

        Raises:
            NotFoundError: There is no such plugin or snapshot.
        """
        request = make(pb.GetPluginRequest, name=name, snapshot=snapshot)
        return read_plugin(self._connection.call(self._stub.GetPlugin, request).plugin)

    def list(
        self,
        *,
        search: str = "",
        order_by: str = "",
        tag: str = "",
        deleted: bool = False,
        limit: int | None = None,
    ) -> tuple[Plugin, ...]:
        """List plugins.

        Args:
            search: Only names or descriptions that contain this text.
            order_by: "name" (the default) or "create_time", either with " desc" behind it.
            tag: Only those with this tag.
            deleted: Those that were deleted, instead of those that exist.
            limit: At most this many.
        """

        def fetch(size: int, token: str) -> tuple[Iterator[Plugin], str]:
            request = make(
                pb.ListPluginsRequest,
                page_size=size,
                page_token=token,
                search=search,
                order_by=order_by,
                tag=tag,
                deleted=deleted,
            )
            page = self._connection.call(self._stub.ListPlugins, request)
            return map(read_plugin, page.plugins), page.next_page_token

        return read_pages(fetch, limit=limit)

    def get_file(self, name: str, path: str, *, snapshot: int = 0) -> bytes:
        """Read one file of a plugin.

        Raises:
            NotFoundError: There is no such plugin, snapshot or file.
        """
        request = make(pb.GetPluginFileRequest, name=name, path=path, snapshot=snapshot)
        return self._connection.call(self._stub.GetPluginFile, request).content

    def put_file(self, name: str, path: str, content: bytes, *, mode: Mode = "upsert") -> Plugin:
        """Add or replace one file; makes a snapshot only when its content is new.

        Raises:
            NotFoundError: There is no such plugin.
            InvalidRequestError: The path is none of a Python module.
            InvalidDescriptionError: The content is wrong.
        """
        request = make(
            pb.PutPluginFileRequest, name=name, path=path, content=content, mode=write_mode(mode)
        )
        return read_plugin(self._connection.call(self._stub.PutPluginFile, request).plugin)

    def delete_file(self, name: str, path: str) -> Plugin:
        """Make a snapshot without one file.

        Raises:
            NotFoundError: There is no such plugin or file.
        """
        request = make(pb.DeletePluginFileRequest, name=name, path=path)
        return read_plugin(self._connection.call(self._stub.DeletePluginFile, request).plugin)

    def tasks(
        self, *, search: str = "", plugin: str = "", limit: int | None = None
    ) -> tuple[RegisteredTask, ...]:
        """List the tasks of the newest snapshots of all plugins, or of one."""

        def fetch(size: int, token: str) -> tuple[Iterator[RegisteredTask], str]:
            request = make(
                pb.ListTasksRequest, page_size=size, page_token=token, search=search, plugin=plugin
            )
            page = self._connection.call(self._stub.ListTasks, request)
            return map(read_registered_task, page.tasks), page.next_page_token

        return read_pages(fetch, limit=limit)
