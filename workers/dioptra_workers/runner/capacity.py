"""Whether any node of the cluster could ever hold a stage.

Ray lets a task wait for as long as it takes for a node that has what it asks for, and says
nothing. A job that waits in vain must at least say what for.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dioptra_ray.planning.plan import Resources

LOOK_SECONDS = 5.0
"""How long a look at the cluster is good enough."""

_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Node:
    """What a node has altogether, busy or not.

    Attributes:
        resources: How much it has, by resource name.
        labels: Its labels.
        id: Ray's id of it.
        address: Its network address.
    """

    resources: Mapping[str, float]
    labels: Mapping[str, str]
    id: str = ""
    address: str = ""


class Nodes:
    """The nodes that live, asked for at most once in a while."""

    def __init__(self) -> None:
        self._nodes: tuple[Node, ...] = ()
        self._until = 0.0
        self._looking = asyncio.Lock()

    async def get(self) -> tuple[Node, ...]:
        """What there is."""
        import ray  # noqa: PLC0415 - reads the environment, which must be prepared before

        async with self._looking:
            if time.monotonic() >= self._until:
                self._nodes = read_nodes(await asyncio.to_thread(ray.nodes))
                self._until = time.monotonic() + LOOK_SECONDS
        return self._nodes


def read_nodes(found: Iterable[Mapping[str, Any]]) -> tuple[Node, ...]:
    """What Ray says of its nodes, as far as they live."""
    return tuple(
        Node(
            node.get("Resources", {}),
            node.get("Labels") or {},
            node.get("NodeID", ""),
            node.get("NodeManagerAddress", ""),
        )
        for node in found
        if node["Alive"]
    )


def shortage(wanted: Resources, nodes: Iterable[Node]) -> str:
    """What no node has, and how much there is at most; empty if some node has it all."""
    nodes = tuple(nodes)
    amounts = _amounts(wanted)
    if any(_fits(amounts, wanted.labels, node) for node in nodes):
        return ""
    labelled = tuple(node for node in nodes if _fits({}, wanted.labels, node))
    if wanted.labels and not labelled:
        text = ", ".join(f"{name}={value}" for name, value in wanted.labels)
        return f"a node with label {text}; no node has it"
    largest = {
        name: max((node.resources.get(name, 0.0) for node in labelled), default=0.0)
        for name in amounts
    }
    short = [name for name, amount in amounts.items() if amount > largest[name]]
    has = "it" if len(short or amounts) == 1 else "all of it"
    names = short or list(amounts)
    return f"{_text(names, amounts)}; no node has {has} (largest: {_text(names, largest)})"


def _amounts(wanted: Resources) -> dict[str, float]:
    amounts = {"CPU": wanted.num_cpus, "GPU": wanted.num_gpus, "memory": wanted.memory or 0}
    amounts |= dict(wanted.custom)
    return {name: float(amount) for name, amount in amounts.items() if amount}


def _fits(amounts: Mapping[str, float], labels: Iterable[tuple[str, str]], node: Node) -> bool:
    return all(node.resources.get(name, 0.0) >= amount for name, amount in amounts.items()) and all(
        # Ray has more to offer than equality; whether that holds only Ray can tell.
        value[:1] == "!" or value.endswith(")") or node.labels.get(name) == value
        for name, value in labels
    )


def _text(names: Iterable[str], amounts: Mapping[str, float]) -> str:
    return ", ".join(
        f"memory={amounts[name] / _GIB:.3g}GiB" if name == "memory" else f"{name}={amounts[name]:g}"
        for name in names
    )


async def watch(
    wanted: Resources, nodes: Nodes, *, waits: Callable[[], bool], say: Callable[[str], None]
) -> None:
    """Say now and then what a stage waits for that no node has; nothing when one has it all."""
    while waits():
        short = shortage(wanted, await nodes.get())
        say(f"waits for {short}" if short else "")
        await asyncio.sleep(LOOK_SECONDS)
