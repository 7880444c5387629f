"""A round of a stage that ended without a report: what it did, and whether its node is to blame.

Ray tells that a process is gone before the cluster knows whether its node is: a node that
lost its power is missed only after several heartbeats. A process that crashed has left its
journal on a node that lives and answers; so whichever comes first decides, the journal or
the news that the node is dead.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ray.exceptions import (
    ActorDiedError,
    NodeDiedError,
    ObjectLostError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)

from dioptra_workers.runner.autopsy import SilentNodeError, find_last_words
from dioptra_workers.runner.cluster import NodeState, find_nodes
from dioptra_workers.stage.postmortem import LastWords
from dioptra_workers.stage.request import StageRequest

NODE_DEATH_SECONDS = 90.0
"""So long the cluster may take to notice that a node is dead."""

PARTING_SECONDS = 5.0
"""So long a stopped job waits for what a process left behind, on a node that may be dead."""

LOOK_SECONDS = 0.3
_NODE = re.compile(r"node ID: ([0-9a-f]{28,})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """What was found out.

    Attributes:
        error: What Ray says.
        first: Index of the first event in `words`.
        words: What the stage left; None for nothing.
        lost_node: The node that took it along, for people; empty when its node lives.
        lost_input: Ray's id of something that it takes and that is gone; empty for none.
    """

    error: RayError
    first: int = 0
    words: LastWords | None = None
    lost_node: str = ""
    lost_input: str = ""


async def examine(
    error: RayError,
    request: StageRequest,
    *,
    first: int,
    node_id: str,
    given_up: Callable[[], bool],
) -> Death:
    """Find out how a round of a stage ended.

    Args:
        error: What Ray says.
        request: What the stage was asked.
        first: The first of its events that was not delivered.
        node_id: Where it ran; empty when it has not said so.
        given_up: Whether the job is stopped, so that nothing is worth waiting for.
    """
    if lost := lost_input(error):
        return Death(error=error, lost_input=lost)
    node_id = node_id or _node_of(error)
    if not _may_be_lost(error, node_id):
        with contextlib.suppress(SilentNodeError):
            words = await find_last_words(
                request.places.scratch_dir, request.directory, first, node_id
            )
            return Death(error=error, first=first, words=words)
        return Death(error=error)
    looking = asyncio.create_task(
        find_last_words(request.places.scratch_dir, request.directory, first, node_id)
    )
    missing = asyncio.create_task(_wait_until_dead(error, node_id, given_up))
    try:
        await asyncio.wait({looking, missing}, return_when=asyncio.FIRST_COMPLETED)
        if not missing.done() and looking.exception() is None:
            if words := looking.result():
                return Death(error=error, first=first, words=words)
            if node_id:  # it lives, and has nothing to say
                return Death(error=error)
        return Death(error=error, first=first, lost_node=await missing)
    finally:
        for task in (looking, missing):
            task.cancel()
        await asyncio.gather(looking, missing, return_exceptions=True)


def lost_input(error: RayError) -> str:
    """Ray's id of an argument that was lost after it had been made; empty for none."""
    cause = error.cause if isinstance(error, RayTaskError) else None
    return cause.object_ref_hex if isinstance(cause, ObjectLostError) else ""


def is_dead(nodes: Mapping[str, NodeState], node_id: str) -> bool:
    """Whether a node has been there and is no more."""
    return node_id in nodes and not nodes[node_id].is_alive


def _may_be_lost(error: RayError, node_id: str) -> bool:
    return isinstance(error, NodeDiedError) or (
        bool(node_id) and isinstance(error, WorkerCrashedError | ActorDiedError)
    )


async def _wait_until_dead(error: RayError, node_id: str, given_up: Callable[[], bool]) -> str:
    """The address of a node that is dead by now; empty if it lives on."""
    try:
        async with asyncio.timeout(NODE_DEATH_SECONDS):
            while not given_up():
                nodes = await find_nodes()
                if not node_id:
                    return "of unknown address"
                if is_dead(nodes, node_id):
                    return nodes[node_id].address
                await asyncio.sleep(LOOK_SECONDS)
            await asyncio.sleep(PARTING_SECONDS)
    except TimeoutError:
        pass
    # Ray could not reach it, whatever the cluster thinks of it.
    return "that nobody can reach" if isinstance(error, NodeDiedError) else ""


def _node_of(error: RayError) -> str:
    found = _NODE.search(str(error)) if isinstance(error, NodeDiedError) else None
    return found[1] if found else ""
