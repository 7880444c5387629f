"""Why a queued job still waits, in a line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dioptra_controller.scheduling.decision import NO_RULE, QueueRule
from dioptra_controller.scheduling.runners import RunnerInfo, serves


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What decides about queued jobs at a moment.

    Attributes:
        runners: The connected runners.
        rules: What the queues say that are asked for.
    """

    runners: Sequence[RunnerInfo] = ()
    rules: Mapping[str, QueueRule] = field(default_factory=dict)

    def explain(self, queue: str) -> str:
        """Why a job of a queue has not started."""
        return explain_wait(queue, self.runners, self.rules.get(queue, NO_RULE))


def explain_wait(queue: str, runners: Iterable[RunnerInfo], rule: QueueRule = NO_RULE) -> str:
    """Say in one line why a job of a queue has not started."""
    serving = [runner for runner in runners if serves(runner, queue)]
    if not serving:
        return f"no runner serves queue {queue}"
    if rule.is_full:
        jobs = "job" if rule.limit == 1 else "jobs"
        return f"queue {queue} runs {rule.running} of at most {rule.limit} {jobs}"
    if any(runner.started_jobs < runner.slots for runner in serving):
        return "is about to be assigned"
    slots = " or ".join(
        f"{runner.name} ({runner.started_jobs} of {runner.slots} in use)" for runner in serving
    )
    return f"waiting for a free slot of runner {slots}"
