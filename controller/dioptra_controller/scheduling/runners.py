"""Runners as the controller sees them, and why a queued job still waits for one."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
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


def explain_wait(queue: str, runners: Iterable[RunnerInfo]) -> str:
    """Say in one line why a job of a queue has not started."""
    serving = [runner for runner in runners if serves(runner, queue)]
    if not serving:
        return f"no runner serves queue {queue}"
    if any(runner.started_jobs < runner.slots for runner in serving):
        return "is about to be assigned"
    slots = " or ".join(
        f"{runner.name} ({runner.started_jobs} of {runner.slots} in use)" for runner in serving
    )
    return f"waiting for a free slot of runner {slots}"
