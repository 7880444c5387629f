"""Runners as the controller sees them."""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of a Ray cluster that lives; the fields are those of the proto message."""

    id: str
    address: str
    resources: Mapping[str, float]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerInfo:
    """A connected runner.

    Attributes:
        runner_id: Unique for the life of its process.
        name: For people.
        queues: Queues that it serves.
        slots: How many jobs it takes at once.
        started_jobs: How many of them are in use.
        resources: Resources of its Ray cluster by name.
        ray_address: Address of its Ray cluster.
        last_seen: When it was last heard of.
        nodes: The nodes of its Ray cluster.
    """

    runner_id: str
    name: str
    queues: tuple[str, ...]
    slots: int
    resources: Mapping[str, float]
    ray_address: str
    last_seen: dt.datetime
    started_jobs: int = 0
    nodes: tuple[Node, ...] = ()


ALL_QUEUES = "*"
"""What a runner says that serves all queues, those included that are made later."""


class Serving(Protocol):
    """Whoever serves queues."""

    @property
    def queues(self) -> Collection[str]:
        """Which, or `ALL_QUEUES`."""


def serves(runner: Serving, queue: str) -> bool:
    """Whether a runner serves a queue."""
    return queue in runner.queues or ALL_QUEUES in runner.queues
