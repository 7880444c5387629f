"""Which outputs of finished stages are gone: released by us, or lost with a node."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import ray.experimental

from dioptra_workers.runner.cluster import find_nodes
from dioptra_workers.runner.deaths import is_dead
from dioptra_workers.runner.recovery import Output
from dioptra_workers.runner.stages import StageState


def released(states: Iterable[StageState]) -> set[Output]:
    """Outputs whose references we have let go."""
    return {output for _, output, reference in _outputs(states) if reference is None}


async def lost(states: Iterable[StageState], known: Collection[str]) -> set[Output]:
    """Outputs that were lost.

    Those that Ray has said are lost; and all that were kept on a node that is dead now. Of
    these some may have had a copy elsewhere, but asking for one after the other would make
    their stages run one after the other, too.

    Args:
        states: Finished stages.
        known: Ray's ids of what it has said is lost.
    """
    nodes = await find_nodes()
    found = set()
    on_dead_nodes: dict[Any, Output] = {}
    for state, output, reference in _outputs(states):
        if reference is None:
            continue
        if reference.hex() in known:
            found.add(output)
        elif is_dead(nodes, state.ended_on):
            on_dead_nodes[reference] = output
    if on_dead_nodes:
        places = await asyncio.to_thread(_find_places, list(on_dead_nodes))
        # What is small came with the report, and has no place.
        found |= {output for reference, output in on_dead_nodes.items() if places.get(reference)}
    return found


def _find_places(references: list[Any]) -> Mapping[Any, Any]:
    found = ray.experimental.get_object_locations(references, timeout_ms=5000)
    return {
        reference: place["node_ids"] or place["did_spill"] for reference, place in found.items()
    }


def _outputs(states: Iterable[StageState]) -> Iterable[tuple[StageState, Output, Any]]:
    for state in states:
        if state.outcome == "finished" and state.returns:
            for place, step in state.places():
                yield state, (state.stage.name, step), state.returns[place]
