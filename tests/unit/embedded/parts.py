"""Stand-ins for the controller and the runner: processes that behave, or misbehave, on demand.

Run as `python parts.py controller|runner [what to do wrong]` in a state directory.
"""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from dioptra_ray.api.controller.v1 import cluster_service_pb2, cluster_service_pb2_grpc


def controller(fault: str) -> None:
    class Cluster(cluster_service_pb2_grpc.ClusterServiceServicer):
        def GetCluster(self, request, context):  # noqa: N802
            metadata = dict(context.invocation_metadata())
            token = Path(os.environ["DIOPTRA_TOKEN_FILE"]).read_text().strip()
            if metadata.get("authorization") != f"Bearer {token}":
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token")
            runners = []
            if Path("runner.connected").exists():
                runners.append(cluster_service_pb2.Runner(name="embedded"))
            return cluster_service_pb2.GetClusterResponse(runners=runners)

    tell("controller")
    if fault == "refuses":
        print("2026 [info] starting\ndioptra-controller: this store is not yours")
        sys.exit(2)
    if fault == "dies":
        print("\n".join(f"line {number}" for number in range(50)))
        print("the database is from the future", file=sys.stderr)
        sys.exit(3)
    Path("runner.connected").unlink(missing_ok=True)
    server = grpc.server(ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    state = health_pb2.HealthCheckResponse.SERVING
    servicer.set("", state)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    cluster_service_pb2_grpc.add_ClusterServiceServicer_to_server(Cluster(), server)
    port = server.add_insecure_port(os.environ["DIOPTRA_LISTEN"])
    server.start()
    Path(os.environ["DIOPTRA_ADDRESS_FILE"]).write_text(f"127.0.0.1:{port}")
    wait_for_end()
    server.stop(None).wait()


def runner(fault: str) -> None:
    if fault == "dies":
        print("no space left for Ray")
        sys.exit(5)
    # Like Ray's processes: out of the session, and it says when to look for it.
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
    )
    Path("child.pid").write_text(str(child.pid))
    tell("runner")
    if fault == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        Path("runner.connected").touch()
        threading.Event().wait()
    if fault != "silent":
        Path("runner.connected").touch()
    wait_for_end()
    Path("runner.ended").touch()


def tell(part: str) -> None:
    Path(f"{part}.environment").write_text(
        "\n".join(f"{key}={value}" for key, value in os.environ.items() if "DIOPTRA" in key)
    )


def wait_for_end() -> None:
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()


if __name__ == "__main__":
    {"controller": controller, "runner": runner}[sys.argv[1]](sys.argv[2] if sys.argv[2:] else "")
