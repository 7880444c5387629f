"""The stages of one job as values: who follows whom, and what is known of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dioptra_ray.planning.plan import Plan, Stage
from dioptra_workers.runner.orders import JobOrder
from dioptra_workers.stage.request import Outcome, Places, StageRequest


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
        repeated: How often it was tried again because it failed.
        excused: How often it was repeated for what was not its fault.
    """

    stage: Stage
    request: StageRequest
    returns: list[Any] = field(default_factory=list)
    seen: int = 0
    node_id: str = ""
    outcome: Outcome | None = None
    begun: bool = False
    repeated: int = 0
    excused: int = 0

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
        return self.returns[2 + self.stage.exports.index(step)]

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


def with_descendants(plan: Plan, first: str) -> Sequence[str]:
    """A stage and all that follow it, however far, in a topological order."""
    found = {first}
    for stage in plan.stages:
        if found.intersection(stage.after):
            found.add(stage.name)
    return [stage.name for stage in plan.stages if stage.name in found]
