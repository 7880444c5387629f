"""What went wrong in a stage, as data: nothing that a user defined leaves the worker."""

from signal import Signals

from dioptra_ray.engine import describe_exception
from dioptra_ray.engine.errors import ArtifactFailedError, StepFailedError
from dioptra_ray.errors import DioptraError, UnavailableError
from dioptra_ray.planning.plan import Stage
from dioptra_workers.stage.artifacts import ArtifactFetchError, ArtifactRefusedError
from dioptra_workers.stage.exports import NotPicklableError
from dioptra_workers.stage.request import StageFailure


def timed_out(step: str, limit: float | None = None, whose: str = "its") -> StageFailure:
    """Something took longer than it may.

    Args:
        step: The step that was running; empty for none.
        limit: The seconds that were allowed; None if that is not known.
        whose: "its" for the step's own limit, or whose else.
    """
    where = f'Step "{step}" was' if step else "It was"
    when = "the timeout" if limit is None else f"{whose} timeout of {limit:g} seconds"
    return StageFailure(
        reason="TIMEOUT",
        message=f"{where} stopped at {when}.",
        step=step,
        exit_reason="timeout",
    )


def stage_timed_out(step: str, stage: Stage) -> StageFailure:
    """The same for what a stage has noticed itself."""
    own = dict(stage.step_timeouts).get(step)
    if own is not None and (stage.timeout is None or own <= stage.timeout):
        return timed_out(step, own)
    return timed_out(step, stage.timeout, "the stage's")


def died(step: str, signal: str = "", exit_code: int | None = None) -> StageFailure:
    """The process ended without a report.

    Args:
        step: The step that was running; empty for none.
        signal: The signal that it said that it got; empty for none.
        exit_code: The code that it ended itself with; None if that is not known.
    """
    what = f'The process of step "{step}"' if step else "A process of this job"
    if signal:
        why, short = f"it got {signal}", f"signal {Signals[signal].value} ({signal})"
    elif exit_code is not None:
        why, short = f"it ended with exit code {exit_code}", f"exit code {exit_code}"
    else:
        why, short = "it crashed or was killed", "crashed or killed"
    message = f"{what} died without an exception: {why}."
    return StageFailure(reason="PROCESS_DIED", message=message, step=step, exit_reason=short)


def describe(error: BaseException) -> StageFailure:
    """The failure that `error` means."""
    match error:
        case StepFailedError():
            return _described(error)
        case NotPicklableError():
            return StageFailure(reason="NOT_PICKLABLE", message=str(error), step=error.step)
        case UnavailableError() | ArtifactFetchError(error=UnavailableError()):
            return StageFailure(reason="STORE_UNAVAILABLE", message=str(error), retryable=True)
        case ArtifactFetchError() | ArtifactRefusedError():
            return StageFailure(reason="ARTIFACT_FAILED", message=str(error))
        case DioptraError():
            return StageFailure(reason="INTERNAL", message=str(error))
    detail = describe_exception(error, None)
    return StageFailure(
        reason="INTERNAL",
        message=f"The worker failed: {detail}",
        error_type=detail.error_type,
        traceback=detail.traceback,
    )


def _described(error: StepFailedError) -> StageFailure:
    detail = error.detail
    if isinstance(error, ArtifactFailedError):
        reason, step = "ARTIFACT_FAILED", ""
    else:
        reason = "STEP_EXITED" if error.error_type == "SystemExit" else "STEP_RAISED"
        step = error.step or ""
    cause = error.__cause__
    return StageFailure(
        reason=reason,
        message=error.message,
        step=step,
        error_type=detail.error_type,
        traceback=detail.traceback,
        file=detail.file or "",
        line=detail.line or 0,
        exit_reason=(
            f"exit code {_exit_code(cause)}"
            if isinstance(cause, SystemExit)
            else f"raised {error.error_type}"
        ),
        classes=detail.classes,
    )


def _exit_code(error: SystemExit) -> int:
    """What the interpreter would have exited with."""
    code = error.code
    if code is None:
        return 0
    return code if isinstance(code, int) else 1
