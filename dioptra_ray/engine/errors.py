"""How a run can end badly.

Callers see `StepFailedError`, `ArtifactFailedError` and `MissingParametersError`; the
smaller errors below them are what the engine raises while it resolves a step. They keep
Dioptra's names, since those reach the user as `error_type`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dioptra_ray.errors import DioptraError, InvalidRequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetail:
    """An exception as data: it outlives the process, and the plugin code, that raised it.

    Attributes:
        error_type: Its class name.
        message: Its text.
        traceback: The formatted traceback without the engine's own frames.
        file: The innermost plugin file, relative to the plugins directory; None when
            no plugin code was involved.
        line: The line in that file, from 1.
        classes: Qualified names of its class and of all that it inherits from.
    """

    error_type: str
    message: str
    traceback: str
    file: str | None = None
    line: int | None = None
    classes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.error_type}: {self.message}" if self.message else self.error_type

    @property
    def place(self) -> str:
        """` (at file:line)` for messages; empty when unknown."""
        return f" (at {self.file}:{self.line})" if self.file else ""


class JobCancelledError(BaseException):
    """The job was cancelled while it ran.

    Raised by a worker's signal handler in the middle of plugin code. A `BaseException`, so
    that `except Exception` in plugins does not swallow it; the engine lets it pass.
    """


class StepFailedError(DioptraError):
    """A step raised, exited, or could not be called.

    Attributes:
        step: The step; None when the failure belongs to no step.
        error_type: Class name of what was raised.
        steps: Outputs so far, by step and output name.
        detail: All that is known of what was raised.
    """

    reason = "STEP_FAILED"

    def __init__(
        self,
        message: str,
        *,
        step: str | None,
        detail: ErrorDetail,
        steps: Mapping[str, Mapping[str, Any]],
    ) -> None:
        super().__init__(message, step=step or "", error_type=detail.error_type)
        self.step = step
        self.error_type = detail.error_type
        self.steps = steps
        self.detail = detail

    @classmethod
    def of(
        cls, step: str, detail: ErrorDetail, steps: Mapping[str, Mapping[str, Any]]
    ) -> "StepFailedError":
        """The failure of `step`."""
        message = f"Step {step!r} failed with {detail}{detail.place}"
        return cls(message, step=step, detail=detail, steps=steps)


class ArtifactFailedError(StepFailedError):
    """An artifact could not be read or written.

    Attributes:
        artifact: The artifact parameter or artifact output.
    """

    reason = "ARTIFACT_FAILED"

    def __init__(
        self,
        message: str,
        *,
        artifact: str,
        detail: ErrorDetail,
        step: str | None = None,
        steps: Mapping[str, Mapping[str, Any]],
    ) -> None:
        super().__init__(message, step=step, detail=detail, steps=steps)
        self.artifact = artifact


class MissingParametersError(InvalidRequestError):
    """Parameters without a default were not given.

    Attributes:
        names: The parameters, in declaration order.
    """

    reason = "MISSING_PARAMETERS"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"These parameters have no default and were not given: {', '.join(names)}.",
            names=", ".join(names),
        )
        self.names = tuple(names)


class ResolutionError(Exception):
    """The engine could not call a step, or could not use what it returned."""


class TaskPluginNotFoundError(ResolutionError):
    """The step names a task that the description does not define."""


class MissingTaskPluginNameError(ResolutionError):
    """The task names no plugin."""


class IllegalPluginNameError(ResolutionError):
    """The task's plugin id has no dot."""


class UnresolvableReferenceError(ResolutionError):
    """A reference names neither a parameter nor a step with outputs nor an artifact."""


class OutputNotFoundError(ResolutionError):
    """A step did not produce the output that a reference names."""


class ArtifactOutputNotFoundError(ResolutionError):
    """An artifact parameter does not have the output that a reference names."""


class IllegalOutputReferenceError(ResolutionError):
    """A reference names no output, where not exactly one was produced."""


class NonIterableTaskOutputError(ResolutionError):
    """Several outputs are declared, but the value cannot be taken apart."""


class ArtifactTaskNotFoundError(ResolutionError):
    """There is no such artifact task, or the class is none."""
