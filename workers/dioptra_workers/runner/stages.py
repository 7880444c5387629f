"""The stages of one job as values: who follows whom, and what is known of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dioptra_ray.planning.plan import Stage
from dioptra_workers.runner.orders import JobOrder
from dioptra_workers.runner.recovery import Tries
from dioptra_workers.stage.request import Outcome, Places, StageRequest
from dioptra_workers.stage.saved import Reused

_FIRST_EXPORT = 2
"""Place of the first export among a stage's returns, after its report and its gate."""


@dataclass(slots=True)
class StageState:
    """What the runner knows of a stage.

    Attributes:
        stage: The stage.
        request: What its worker is asked, for the present round.
        returns: Ray's references to its results, in order of `run_stage`'s returns.
        seen: How many of its events have arrived.
        node_id: Where it runs; empty until it said so.
        outcome: How it ended; None while it has not.
        begun: Whether a step of it was said to run, in the present round.
        waits: What it waits for that no node has, as was said last.
        ended_on: Where it finished; empty until it has.
        tries: How often it was repeated, by reason.
        reused: What an earlier job has kept of it; None when it has to run.
    """

    stage: Stage
    request: StageRequest
    returns: list[Any] = field(default_factory=list)
    seen: int = 0
    node_id: str = ""
    outcome: Outcome | None = None
    begun: bool = False
    waits: str = ""
    ended_on: str = ""
    tries: Tries = field(default_factory=Tries)
    reused: Reused | None = None

    @property
    def round(self) -> int:
        """How often it was tried before."""
        return self.request.round

    @property
    def gate(self) -> Any:
        """Reference to whether it succeeded; only if others follow it."""
        return self.returns[1]

    def export(self, step: str) -> Any:
        """Reference to the outputs of one of its exported steps."""
        return self.returns[_FIRST_EXPORT + self.stage.exports.index(step)]

    def has_released(self, step: str) -> bool:
        """Whether the reference to the outputs of an exported step is gone."""
        return bool(self.returns) and self.export(step) is None

    @property
    def has_released_delta(self) -> bool:
        """Whether the reference to its workspace delta is gone."""
        return bool(self.returns) and self.delta is None

    @property
    def needs(self) -> Stage:
        """The stage, as far as it needs others: one that is loaded needs none, as if pure."""
        if self.reused is None:
            return self.stage
        return replace(self.stage, inputs=(), after=(), workspace=(), pure=True)

    def places(self) -> list[tuple[int, str | None]]:
        """Places of what others take among its returns: an exported step, or None for files."""
        found: list[tuple[int, str | None]] = [
            (place, step) for place, step in enumerate(self.stage.exports, start=_FIRST_EXPORT)
        ]
        return [*found, (-1, None)] if self.request.shares_files else found

    def begin_again(self) -> None:
        """Forget the present round; the next one is another."""
        self.request = replace(self.request, round=self.round + 1)
        self.returns = []
        self.seen, self.node_id, self.ended_on = 0, "", ""
        self.outcome, self.begun = None, False

    @property
    def delta(self) -> Any:
        """Reference to its workspace delta; only if others take it."""
        return self.returns[-1]


def first_states(order: JobOrder, places: Places) -> dict[str, StageState]:
    """All stages of a plan before their first round, by name, in a topological order."""
    plan = order.plan
    followed = {name for stage in plan.stages for name in stage.after}
    shared = {name for stage in plan.stages for name in stage.workspace}
    return {
        stage.name: StageState(
            stage,
            StageRequest(
                job=order.job,
                places=places,
                plan_digest=order.plan_digest,
                description=plan.description,
                plugins=plan.plugins,
                artifact_tasks=plan.artifact_tasks,
                stage=stage,
                followed=stage.name in followed,
                shares_files=stage.name in shared,
                isolated=plan.is_isolated,
            ),
        )
        for stage in plan.stages
    }


def arguments(state: StageState, states: dict[str, StageState]) -> list[Any]:
    """What a stage takes from those before it, in the order that `run_stage` expects."""
    stage = state.stage
    return [
        *(states[name].gate for name in stage.after),
        *(states[given.stage].export(given.step) for given in stage.inputs),
        *(states[name].delta for name in stage.workspace),
    ]


def release(states: Mapping[str, StageState]) -> None:
    """Forget references that no stage will take any more, so that Ray frees their values.

    What a stage takes that has not finished, however it ended, may be kept for a retry.
    """
    exports: set[tuple[str, str]] = set()
    deltas: set[str] = set()
    for state in states.values():
        if state.outcome != "finished":
            exports.update((given.stage, given.step) for given in state.stage.inputs)
            deltas.update(state.stage.workspace)
    for name, state in states.items():
        if state.outcome is None or not state.returns:
            continue
        for place, step in enumerate(state.stage.exports, start=_FIRST_EXPORT):
            if (name, step) not in exports:
                state.returns[place] = None
        if state.request.shares_files and name not in deltas:
            state.returns[-1] = None
