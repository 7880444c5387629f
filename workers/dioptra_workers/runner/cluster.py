"""The Ray cluster: connecting to it, and asking it to run stages."""

import asyncio
import functools
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dioptra_ray.planning.plan import Resources
from dioptra_workers.holding import make_temporary
from dioptra_workers.runner.capacity import Node, read_nodes

NAMESPACE = "dioptra-ray"
NODE_LABEL = "ray.io/node-id"
"""The label that Ray gives each node itself."""


class Cluster:
    """A connection to Ray, as the one driver of this process.

    Attributes:
        address: Where it is.
    """

    def __init__(
        self, address: str, *, num_cpus: int | None = None, temporary: Path | None = None
    ) -> None:
        """Connect; `prepare_environment` was called before Ray was first imported.

        Args:
            address: "local" starts a Ray of our own on this machine; "auto" or HOST:PORT
                joins one that runs.
            num_cpus: CPUs of a local Ray; None for what the machine has.
            temporary: For the files of a local Ray, removed at the end; made when not given.
        """
        self._temporary: Path | None = None
        options: dict[str, Any] = {}
        if address == "local":
            # Ray makes Unix sockets below it, whose paths may have 107 characters at most,
            # and opens its directory to everybody: hence one inside of ours.
            self._temporary = temporary or make_temporary("dioptra-ray-")
            options = {
                "include_dashboard": False,
                "num_cpus": num_cpus,
                "_temp_dir": str(self._temporary / "ray"),
            }
        import ray  # noqa: PLC0415 - reads the environment, which is prepared by now

        try:
            context = ray.init(
                address=address,
                namespace=NAMESPACE,
                log_to_driver=False,
                logging_level="ERROR",
                **options,
            )
        except BaseException:
            self.close()
            raise
        self.address: str = context.address_info["address"]

    def resources(self) -> dict[str, float]:
        """What the cluster has now, by resource name."""
        import ray  # noqa: PLC0415 - as above

        return {
            name: amount
            for name, amount in ray.cluster_resources().items()
            if not name.startswith("node:")
        }

    def nodes(self) -> tuple[Node, ...]:
        """The nodes that live."""
        import ray  # noqa: PLC0415 - as above

        return read_nodes(ray.nodes())

    def own_cpus(self) -> int:
        """How many CPUs are ours alone: all of a Ray that we started, none of another."""
        return int(self.resources().get("CPU", 0)) if self._temporary is not None else 0

    def close(self) -> None:
        """Disconnect; a local Ray ends with all of its processes."""
        import ray  # noqa: PLC0415 - as above

        ray.shutdown()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)


CREDENTIAL_VARIABLES = (
    "DIOPTRA_TOKEN_FILE",
    "DIOPTRA_CERT_FILE",
    "DIOPTRA_KEY_FILE",
    "DIOPTRA_DATABASE_URL",
)
"""What the runner has read by now, and nothing that it starts needs."""


def prepare_environment(address: str) -> None:
    """Set what Ray reads from the environment while it is imported, so call this before.

    A local Ray gets a token that only its own processes know; nothing is written to HOME. Its
    workers, which run plugins, are not even told where the runner's credentials are.
    """
    for name in CREDENTIAL_VARIABLES:
        os.environ.pop(name, None)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Else a node that is cut off is missed only after minutes: TCP waits that long.
    os.environ.setdefault("RAY_grpc_client_keepalive_time_ms", "5000")
    os.environ.setdefault("RAY_grpc_client_keepalive_timeout_ms", "5000")
    if address == "local":
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


@functools.lru_cache(maxsize=256)
def stage_function(
    resources: Resources,
    num_returns: int,
    runtime_env: str = "",
    avoid: frozenset[str] = frozenset(),
) -> Any:
    """The Ray task that runs a stage with these resources, in this environment (JSON).

    It is sent to the nodes to `avoid`, given by Ray's ids, only if there are no others.
    """
    from dioptra_workers.stage.remote import stage_task  # noqa: PLC0415 - needs Ray

    return stage_task.options(num_returns=num_returns, **_options(resources, runtime_env, avoid))


def _options(resources: Resources, runtime_env: str, avoid: frozenset[str]) -> dict[str, Any]:
    options: dict[str, Any] = {"num_cpus": resources.num_cpus}
    if runtime_env:
        options["runtime_env"] = json.loads(runtime_env)
    if resources.num_gpus:
        options["num_gpus"] = resources.num_gpus
    if resources.memory:
        options["memory"] = resources.memory
    labels = dict(resources.labels)
    if labels:
        options["label_selector"] = labels
    if avoid and NODE_LABEL not in labels:
        options["label_selector"] = {**labels, NODE_LABEL: f"!in({','.join(sorted(avoid))})"}
        # Better there than nowhere: it may be the only node, and come back.
        options["fallback_strategy"] = [{"label_selector": labels}]
    if resources.custom:
        options["resources"] = dict(resources.custom)
    return options


@dataclass(frozen=True, slots=True)
class NodeState:
    """What the cluster knows of a node.

    Attributes:
        address: Its network address.
        is_alive: Whether it lives, as far as the cluster knows.
        port: Where its raylet listens.
    """

    address: str
    is_alive: bool
    port: int = 0


async def find_nodes() -> dict[str, NodeState]:
    """All nodes that there are or were, by Ray's id."""
    import ray  # noqa: PLC0415 - as above

    nodes = await asyncio.to_thread(ray.nodes)
    return {
        node["NodeID"]: NodeState(
            node["NodeManagerAddress"], node["Alive"], int(node.get("NodeManagerPort", 0))
        )
        for node in nodes
    }


async def alive_nodes() -> list[str]:
    """Ids of the nodes that live."""
    return [name for name, node in (await find_nodes()).items() if node.is_alive]
