"""Why a stage has not begun, as long as it has not."""

import itertools
from collections.abc import Callable, Mapping

from dioptra_workers.runner import capacity
from dioptra_workers.runner.stages import StageState


async def watch(
    state: StageState,
    states: Mapping[str, StageState],
    nodes: capacity.Nodes,
    runtime_env: str,
    say: Callable[[StageState, str], None],
) -> None:
    """Say now and then what a stage waits for; nothing while only its turn has to come.

    Args:
        state: The stage.
        states: All stages of its job.
        nodes: The cluster's nodes.
        runtime_env: What Ray must set up for it; empty for nothing.
        say: Takes the stage and the reason.
    """
    looks = itertools.count()

    def explain(short: str) -> None:
        # Not at once: most environments are there in a moment.
        late = bool(next(looks)) and bool(runtime_env)
        say(state, short or (_environment(state, states) if late else ""))

    await capacity.watch(
        state.stage.resources,
        nodes,
        waits=lambda: not state.begun and not state.node_id,
        say=explain,
    )


def _environment(state: StageState, states: Mapping[str, StageState]) -> str:
    """What a stage waits for that could begin; Ray does not say which of the two it is."""
    before = (states[name].outcome for name in state.stage.after)
    if any(outcome != "finished" for outcome in before):
        return ""
    return "waits for room on a node, or for Ray to set up its environment"
