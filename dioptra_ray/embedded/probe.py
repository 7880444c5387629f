"""Asking a controller whether it serves yet: once, quickly, and without raising."""

from typing import Final

import grpc

from dioptra_ray.api.controller.v1.cluster_service_pb2 import GetClusterRequest
from dioptra_ray.api.controller.v1.cluster_service_pb2_grpc import ClusterServiceStub

PROBE_SECONDS: Final = 2.0
_HEALTH: Final = "/grpc.health.v1.Health/Check"
# HealthCheckResponse{status: SERVING}: the message is too small to depend on its package.
_SERVING: Final = b"\x08\x01"


def is_serving(address: str) -> bool:
    """Whether the health service at an address says SERVING."""
    with grpc.insecure_channel(address) as channel:
        check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_HEALTH)
        try:
            return bool(check(b"", timeout=PROBE_SECONDS) == _SERVING)
        except grpc.RpcError:
            return False


def has_runner(address: str, token: str) -> bool:
    """Whether a runner is connected to the controller."""
    metadata = (("authorization", f"Bearer {token}"),)
    with grpc.insecure_channel(address) as channel:
        stub = ClusterServiceStub(channel)
        try:
            cluster = stub.GetCluster(GetClusterRequest(), timeout=PROBE_SECONDS, metadata=metadata)
        except grpc.RpcError:
            return False
    return bool(cluster.runners)
