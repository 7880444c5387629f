"""What the stages of a started job wait for: a pure value, kept as JSON in the job's row.

Only runners know: Ray lets a stage wait for as long as it takes for a node that has what it
asks for, and a job that waits in vain must at least say what for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

_LONGEST = 2000

Waits = Mapping[str, str]
"""What for, by stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageWait:
    """A stage waits for what no node has; with an empty reason, it waits no more."""

    stage: str
    reason: str


def change_waits(waits: Waits, change: StageWait) -> dict[str, str]:
    """What is waited for after the change."""
    others = {stage: reason for stage, reason in waits.items() if stage != change.stage}
    if not change.reason:
        return others
    # PostgreSQL cannot store the NUL character.
    reason = change.reason.replace("\0", "\N{SYMBOL FOR NULL}")
    return {**others, change.stage: reason[:_LONGEST]}


def describe_waits(waits: Waits) -> str:
    """In one line, for people; empty when nothing is waited for."""
    return "; ".join(f"stage {stage} {reason}" for stage, reason in sorted(waits.items()))


def write_waits(waits: Waits) -> str | None:
    """As JSON; None when nothing is waited for."""
    return json.dumps(waits, separators=(",", ":")) if waits else None


def read_waits(text: str | None) -> dict[str, str]:
    """Read what `write_waits` wrote."""
    return {} if text is None else dict(json.loads(text))
