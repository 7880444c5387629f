"""A real gRPC server in this process, with servicers that tests fill in."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_status import rpc_status

from dioptra_ray.api.controller.v1 import (
    artifact_service_pb2_grpc,
    cluster_service_pb2_grpc,
    entrypoint_service_pb2_grpc,
    job_service_pb2_grpc,
    plugin_service_pb2_grpc,
    queue_service_pb2_grpc,
    registry_service_pb2_grpc,
    sweep_service_pb2_grpc,
)
from dioptra_ray.errors import DioptraError
from dioptra_ray.wire.status import to_status

Handler = Callable[..., Any]

SERVICES = {
    "ArtifactService": artifact_service_pb2_grpc.add_ArtifactServiceServicer_to_server,
    "ClusterService": cluster_service_pb2_grpc.add_ClusterServiceServicer_to_server,
    "EntrypointService": entrypoint_service_pb2_grpc.add_EntrypointServiceServicer_to_server,
    "JobService": job_service_pb2_grpc.add_JobServiceServicer_to_server,
    "PluginService": plugin_service_pb2_grpc.add_PluginServiceServicer_to_server,
    "QueueService": queue_service_pb2_grpc.add_QueueServiceServicer_to_server,
    "RegistryService": registry_service_pb2_grpc.add_RegistryServiceServicer_to_server,
    "SweepService": sweep_service_pb2_grpc.add_SweepServiceServicer_to_server,
}


@dataclass
class Controller:
    """What a controller answers, by call; and what it was asked."""

    address: str = ""
    handlers: dict[str, Handler] = field(default_factory=dict)
    requests: list[Any] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    server: grpc.Server | None = None

    def on(self, call: str, handler: Handler) -> None:
        self.handlers[call] = handler

    def start(self, address: str = "127.0.0.1:0") -> None:
        server = grpc.server(
            ThreadPoolExecutor(8),
            options=[("grpc.so_reuseport", 0), ("grpc.max_metadata_size", 2**21)],
        )
        for add in SERVICES.values():
            add(_Servicer(self), server)
        port = server.add_insecure_port(address)
        server.start()
        self.address = f"127.0.0.1:{port}"
        self.server = server

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop(None).wait()
            self.server = None


class _Servicer:
    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def __getattr__(self, call: str) -> Handler:
        if call.startswith("_"):
            raise AttributeError(call)
        streams = call.startswith("Watch") or call == "DownloadArtifact"
        return self._stream(call) if streams else self._unary(call)

    def _unary(self, call: str) -> Handler:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            request = list(request) if call == "UploadArtifact" else request
            self._note(request, context)
            try:
                return self._controller.handlers[call](request)
            except DioptraError as error:
                context.abort_with_status(rpc_status.to_status(to_status(error)))

        return answer

    def _stream(self, call: str) -> Handler:
        def answer(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            self._note(request, context)
            try:
                yield from self._controller.handlers[call](request, context)
            except DioptraError as error:
                context.abort_with_status(rpc_status.to_status(to_status(error)))

        return answer

    def _note(self, request: Any, context: grpc.ServicerContext) -> None:
        self._controller.requests.append(request)
        self._controller.metadata.append(dict(context.invocation_metadata()))
