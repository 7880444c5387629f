"""The gRPC server: services, health, reflection, limits; started and stopped with grace."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from dioptra_controller.access.verifying import Verifier
from dioptra_controller.database.engine import Database
from dioptra_controller.rpc.gate import Gate
from dioptra_controller.rpc.interceptors import GuardInterceptor
from dioptra_controller.rpc.tls import Certificates, Files
from dioptra_controller.settings import split_address
from dioptra_ray.errors import UnavailableError

# Archives may have 64 MiB; the message around them takes a little more.
MAX_MESSAGE_BYTES = 66 * 1024 * 1024
# Statuses carry every issue of a description.
MAX_METADATA_BYTES = 1024 * 1024

_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    # Two controllers on one port would split the calls between them.
    ("grpc.so_reuseport", 0),
    # Runners and watchers keep idle streams open through proxies.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A servicer and how it joins a server.

    Attributes:
        name: Full name of the service, such as "dioptra_ray.api.controller.v1.JobService".
        servicer: What answers.
        add: The generated function that adds it.
    """

    name: str
    servicer: Any
    add: Callable[[Any, Any], None]


class Server:
    """One listening server.

    Args:
        services: What it offers besides health and reflection.
        verifier: Knows callers by their tokens.
        database: Where the audit log is.
        gate: Limits what each caller may.
        tls: Certificate and key to listen with; None listens without TLS.
    """

    def __init__(
        self,
        services: Iterable[Service],
        *,
        verifier: Verifier,
        database: Database,
        gate: Gate,
        tls: Files | None = None,
    ) -> None:
        self._server = grpc.aio.server(
            interceptors=[GuardInterceptor(verifier, database, gate)], options=_OPTIONS
        )
        self._tls = tls
        self._health = health.aio.HealthServicer()
        self._names = ["", *(service.name for service in services)]
        for service in services:
            service.add(service.servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            [*self._names[1:], health.SERVICE_NAME, reflection.SERVICE_NAME], self._server
        )

    async def start(self, listen: str) -> str:
        """Listen on HOST:PORT and return the address with the port that was bound.

        Raises:
            UnavailableError: The address is taken or not of this machine.
            InvalidRequestError: The certificate or the key cannot be used.
        """
        try:
            if self._tls is None:
                port = self._server.add_insecure_port(listen)
            else:
                credentials = Certificates(self._tls).credentials()
                port = self._server.add_secure_port(listen, credentials)
        except RuntimeError as error:
            raise UnavailableError(
                f"cannot listen on {listen}: another process does, or it is not an address "
                "of this machine"
            ) from error
        for name in self._names:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()
        host, _ = split_address(listen)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def refuse(self) -> None:
        """Say NOT_SERVING from now on; calls are still answered until `stop`."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace: float) -> None:
        """Take no new calls, and give the running ones so many seconds."""
        await self.refuse()
        await self._server.stop(grace)
