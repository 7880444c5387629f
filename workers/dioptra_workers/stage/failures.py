"""What went wrong in a stage, as data: nothing that a user defined leaves the worker."""

from dioptra_ray.engine import describe_exception
from dioptra_ray.engine.errors import ArtifactFailedError, StepFailedError
from dioptra_ray.errors import DioptraError, UnavailableError
from dioptra_workers.stage.artifacts import ArtifactFetchError
from dioptra_workers.stage.payload import NotPicklableError
from dioptra_workers.stage.request import StageFailure


def timed_out(step: str, limit: float | None = None) -> StageFailure:
    """A step, its stage or its job took longer than it may; `limit` is the step's own."""
    where = f'Step "{step}" was' if step else "It was"
    when = "the timeout" if limit is None else f"its timeout of {limit:g} seconds"
    return StageFailure(reason="TIMEOUT", message=f"{where} stopped at {when}.", step=step)


def died(step: str) -> StageFailure:
    """The process ended without a report, and nobody knows more."""
    what = f'The process of step "{step}"' if step else "A process of this job"
    message = f"{what} died without an exception: it called os._exit, crashed, or was killed."
    return StageFailure(reason="PROCESS_DIED", message=message, step=step)


def describe(error: BaseException) -> StageFailure:
    """The failure that `error` means."""
    match error:
        case StepFailedError():
            return _described(error)
        case NotPicklableError():
            return StageFailure(reason="NOT_PICKLABLE", message=str(error), step=error.step)
        case UnavailableError() | ArtifactFetchError(error=UnavailableError()):
            return StageFailure(reason="STORE_UNAVAILABLE", message=str(error), retryable=True)
        case ArtifactFetchError():
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
    return StageFailure(
        reason=reason,
        message=error.message,
        step=step,
        error_type=detail.error_type,
        traceback=detail.traceback,
        file=detail.file or "",
        line=detail.line or 0,
    )
