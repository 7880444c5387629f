"""What it means when Ray says that a stage's process is gone."""

import re

from ray.exceptions import (
    ActorDiedError,
    NodeDiedError,
    OutOfMemoryError,
    RayError,
    RayTaskError,
    RuntimeEnvSetupError,
    WorkerCrashedError,
)

from dioptra_workers.runner.deaths import Death
from dioptra_workers.stage.failures import died
from dioptra_workers.stage.request import StageFailure

_LONGEST_REASON = 8000
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception): ")


def describe(death: Death, step: str) -> StageFailure:
    """The failure of a stage whose process did not come back with a report.

    Args:
        death: What was found out about it.
        step: The step that ran, as far as that is known.
    """
    error, words = death.error, death.words
    what = f'the process of step "{step}"' if step else "a process of this job"
    if (said := _setup_problem(error)) is not None:
        return StageFailure(
            reason="ENVIRONMENT_FAILED",
            message=f"Ray could not set up the environment of the job's queue: {_raised(said)}",
            traceback=said,
            exit_reason="environment failed",
        )
    if isinstance(error, RayTaskError) or not isinstance(
        error, WorkerCrashedError | OutOfMemoryError | NodeDiedError | ActorDiedError
    ):
        return StageFailure(
            reason="INTERNAL",
            message=f"Ray could not run the stage: {_first_line(error)}",
            error_type=type(getattr(error, "cause", None) or error).__name__,
            exit_reason="could not be run",
        )
    if isinstance(error, OutOfMemoryError):
        return StageFailure(
            reason="PROCESS_DIED",
            message=f"{what[0].upper()}{what[1:]} was killed because its node ran out of memory.",
            step=step,
            retryable=True,
            exit_reason="out of memory",
        )
    if death.lost_node:
        return StageFailure(
            reason="NODE_LOST",
            message=f"The node {death.lost_node} of {what} was lost.",
            step=step,
            retryable=True,
            exit_reason="node lost",
        )
    return died(step, words.signal, words.exit_code) if words else died(step)


def _setup_problem(error: RayError) -> str | None:
    """Ray's reason why the `runtime_env` cannot be had; None when that is not what is wrong."""
    # A stage that follows one without an environment gets that one's error.
    found = error.cause if isinstance(error, RayTaskError) else error
    if not isinstance(found, RuntimeEnvSetupError):
        return None
    return (found.error_message or str(found)).strip()[-_LONGEST_REASON:]


def _raised(said: str) -> str:
    """What a traceback was about: its last exception, with all that it says."""
    lines = said.splitlines()
    last = max((n for n, line in enumerate(lines) if _EXCEPTION.match(line)), default=0)
    return "\n".join(lines[last:])


def input_lost(producer: str) -> StageFailure:
    """The failure of a stage that takes what was lost after it had been made."""
    return StageFailure(
        reason="NODE_LOST",
        message=f"what stage {producer} had made for it was lost with its node.",
        retryable=True,
        exit_reason="input lost",
    )


def _first_line(error: RayError) -> str:
    cause = getattr(error, "cause", None)
    if isinstance(error, RayTaskError) and cause is not None:
        return f"{type(cause).__name__}: {cause}"
    return str(error).strip().split("\n", 1)[0]
