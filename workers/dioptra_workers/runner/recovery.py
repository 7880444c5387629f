"""What is tried again, when, and what else must be with it: decisions, and nothing else.

Three things may end a round of a stage badly, and each has a count of its own. Its step
failed: that is the user's, and repeated as far as the step declares `retries`. Its process
was unfit before a step began, or what runs steps broke: that is ours, and excused. Its node
was lost, or something that it takes was lost with another node: that is nobody's fault.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from dioptra_ray.planning.plan import Stage, StepRetries
from dioptra_workers.stage.request import StageFailure

MOST_EXCUSES = 3
"""So often a stage is repeated that failed because of the process it was given."""

MOST_LOSSES = 5
"""So often a stage is repeated that lost its node, or what it takes."""

LOSS_DELAY, LONGEST_LOSS_DELAY = 0.5, 30.0
"""Seconds before a stage that lost its node runs again, doubled each time."""

LONGEST_DELAY = 300.0
"""A declared delay is doubled up to so many seconds, unless it is longer itself."""

Kind = Literal["failed", "excused", "lost"]

Output = tuple[str, str | None]
"""A stage and its exported step, or None for its workspace delta."""


@dataclass(slots=True)
class Tries:
    """How often a stage was repeated, by reason."""

    failed: int = 0
    excused: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Again:
    """The decision that a stage runs again.

    Attributes:
        kind: Why.
        delay: Seconds before it may.
        said: The same for people.
    """

    kind: Kind
    delay: float
    said: str


def judge(stage: Stage, tries: Tries, failure: StageFailure, *, begun: bool) -> Again | None:
    """Whether a stage runs again after a failure; None for no.

    Args:
        stage: The stage.
        tries: How often it was repeated so far.
        failure: What happened.
        begun: Whether a step of it had begun.
    """
    name = stage.name
    if failure.reason == "NODE_LOST":
        if tries.lost >= MOST_LOSSES:
            return None
        delay = backoff(LOSS_DELAY, tries.lost + 1, LONGEST_LOSS_DELAY)
        return Again("lost", delay, f"Stage {name} runs again: {failure.message}")
    broken = failure.reason == "INTERNAL" and bool(failure.error_type)
    unfit = failure.reason == "PROCESS_DIED" and not begun
    if (broken or unfit) and tries.excused < MOST_EXCUSES:
        said = f"Stage {name} runs again, in another process: {failure.message}"
        return Again("excused", 0.0, said)
    return _retry(stage, tries.failed, failure)


def backoff(first: float, number: int, longest: float) -> float:
    """Seconds before the `number`th repetition, from 1: `first`, doubled each time."""
    return min(first * 2.0 ** min(number - 1, 64), max(first, longest))


def _retry(stage: Stage, failed: int, failure: StageFailure) -> Again | None:
    if failure.reason == "NOT_PICKLABLE":  # and never will be
        return None
    declared = [one for one in stage.retries if failure.step in ("", one.step)]
    fitting = [one for one in declared if failed < one.most and _counts(one, failure)]
    if not fitting:
        return None
    most = max(one.most for one in fitting)
    delay = backoff(max(one.delay for one in fitting), failed + 1, LONGEST_DELAY)
    said = f"Try {failed + 1} of {most + 1} of stage {stage.name} failed: {failure.message}"
    return Again("failed", delay, said)


def _counts(retries: StepRetries, failure: StageFailure) -> bool:
    """Whether a step declares to be repeated after this."""
    names = {failure.reason, failure.error_type, *failure.classes}
    names.update(name.rpartition(".")[2] for name in failure.classes)
    return not retries.on or not names.isdisjoint(retries.on)


def to_repeat(
    stages: Sequence[Stage],
    first: Collection[str],
    *,
    have_all: Collection[str],
    missing: Collection[Output],
) -> list[str]:
    """The stages that must run again so that all of `first` can, in a topological order.

    Those before them that made something they take which is gone, as far back as it takes;
    and of those after each of them all that wait, since they shall take what is made now.
    One that has gone on with what was made before is repeated as well, or a job
    might mix values of two different runs of one step; unless all before it that run again
    are declared pure, and so make what they have made before.

    Args:
        stages: All stages of the plan, in a topological order.
        first: The stages to repeat.
        have_all: Stages that have got all that they take: they have finished, or begun.
        missing: Outputs of finished stages that nobody can take any more.
    """
    found = set(first)
    size = 0
    while size < len(found):
        size = len(found)
        for stage in reversed(stages):
            if stage.name in found:
                found.update(name for name, _ in taken(stage) & set(missing))
        impure = {stage.name for stage in stages if stage.name in found and not stage.pure}
        for stage in stages:
            again = found.intersection(stage.after)
            if again and (stage.name not in have_all or again & impure):
                found.add(stage.name)
                if not stage.pure:
                    impure.add(stage.name)
    return [stage.name for stage in stages if stage.name in found]


def taken(stage: Stage) -> set[Output]:
    """What a stage takes from those before it."""
    values: set[Output] = {(given.stage, given.step) for given in stage.inputs}
    return values | {(name, None) for name in stage.workspace}


def say_with(names: Sequence[str], first: Collection[str], missing: Collection[Output]) -> str:
    """Which stages run again along with one, and why; empty for none."""
    gone = {name for name, _ in missing}
    others = [
        f"{name} ({'what it made is gone' if name in gone else 'it takes what is made anew'})"
        for name in names
        if name not in first
    ]
    return f"With it run again: {', '.join(others)}." if others else ""
