"""Finding out what a stage did whose process or node died."""

import asyncio
from pathlib import Path

from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from dioptra_workers.runner.cluster import alive_nodes
from dioptra_workers.stage.postmortem import LastWords, last_words
from dioptra_workers.stage.remote import last_words_task

LOOK_SECONDS = 15.0


class SilentNodeError(Exception):
    """The node that was asked is gone, or does not answer."""


async def find_last_words(
    scratch_dir: str, directory: str, first: int, node_id: str
) -> LastWords | None:
    """Read what the stage left behind, from event `first` on.

    Args:
        scratch_dir: The workers' scratch directory.
        directory: The stage's directory.
        first: The first event that was not delivered.
        node_id: Where it ran; empty when unknown, then every node is asked.

    Returns:
        None when nothing is left.

    Raises:
        SilentNodeError: The node is known, and does not answer.
    """
    if (Path(scratch_dir) / "stages" / directory).is_dir():
        return await asyncio.to_thread(last_words, scratch_dir, directory, first)
    nodes = await alive_nodes()
    if node_id:
        if node_id not in nodes:
            raise SilentNodeError(node_id)
        return await _ask(node_id, scratch_dir, directory, first)
    answers = await asyncio.gather(
        *(_ask(node, scratch_dir, directory, first) for node in nodes), return_exceptions=True
    )
    return next((answer for answer in answers if isinstance(answer, LastWords)), None)


async def _ask(node: str, scratch_dir: str, directory: str, first: int) -> LastWords | None:
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    ref = last_words_task.options(scheduling_strategy=there).remote(scratch_dir, directory, first)
    try:
        answer: LastWords | None = await asyncio.wait_for(ref, LOOK_SECONDS)
    except (RayError, TimeoutError):
        raise SilentNodeError(node) from None
    return answer
