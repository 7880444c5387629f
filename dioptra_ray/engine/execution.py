"""Running the steps of one job, one at a time.

An execution assumes a valid description and an active plugin set. It knows nothing of
stages or processes: whoever drives it says which step comes next, and may put outputs of
steps that ran elsewhere into `outputs`.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from dioptra_ray import pyplugs
from dioptra_ray.context import enter_step
from dioptra_ray.engine.artifacts import failing_as_artifact, serialize
from dioptra_ray.engine.errors import (
    ArtifactOutputNotFoundError,
    ArtifactTaskNotFoundError,
    IllegalOutputReferenceError,
    JobCancelledError,
    OutputNotFoundError,
    ResolutionError,
    StepFailedError,
    UnresolvableReferenceError,
)
from dioptra_ray.engine.failure import describe_exception
from dioptra_ray.engine.outputs import unpack
from dioptra_ray.engine.program import Program, read_value
from dioptra_ray.plugins.activation import active_root

_LOG = logging.getLogger("dioptra_ray.engine")


class Observer(Protocol):
    """Hears of every step."""

    def step_started(self, step: str) -> None:
        """The step's function is about to be called."""

    def step_finished(self, step: str) -> None:
        """It returned, and its outputs are known."""

    def step_failed(self, step: str, error: StepFailedError) -> None:
        """It did not."""


class Execution:
    """One run of a description.

    Attributes:
        outputs: Outputs by step and output name; steps without declared outputs are absent.
    """

    def __init__(  # noqa: PLR0913 - everything that a run takes
        self,
        description: Mapping[str, Any] | Program,
        *,
        parameters: Mapping[str, Any],
        artifacts: Mapping[str, Mapping[str, Any]],
        working_dir: Path,
        artifact_tasks: Mapping[str, str],
        observer: Observer | None = None,
    ) -> None:
        """Prepare a run.

        Args:
            description: The description, or a `Program` of it that several runs share.
            parameters: Their values, defaults resolved.
            artifacts: Values by artifact parameter and output name.
            working_dir: Where artifact tasks write.
            artifact_tasks: Class id ("plugin.module.Class") by artifact task name.
            observer: Hears of every step.
        """
        self.program = description if isinstance(description, Program) else Program(description)
        self.outputs: dict[str, dict[str, Any]] = {}
        self._parameters = parameters
        self._artifacts = artifacts
        self._working_dir = working_dir
        self._artifact_tasks = artifact_tasks
        self._observer = observer

    def run_step(self, step: str) -> None:
        """Call a step's function and keep its outputs.

        Raises:
            StepFailedError: It raised or exited, or could not be called.
        """
        observer = self._observer
        if observer is not None:
            observer.step_started(step)
        outer = enter_step(step)
        try:
            _LOG.info("Running step: %s", step)
            self._call(step)
        except JobCancelledError:
            raise
        except BaseException as error:
            detail = describe_exception(error, active_root())
            failure = StepFailedError.of(step, detail, self.outputs)
            if observer is not None:
                observer.step_failed(step, failure)
            raise failure from error
        finally:
            enter_step(outer)
        if observer is not None:
            observer.step_finished(step)

    def run_steps(self, steps: Sequence[str], *, kept: Collection[str]) -> None:
        """Run steps one after another, and forget outputs once none of them needs them.

        Args:
            steps: In the order of execution; they are all that will run from now on.
            kept: Steps whose outputs are needed afterwards.

        Raises:
            StepFailedError: One of them raised or exited, or could not be called.
        """
        uses = self.program.last_uses(steps)
        needed = {name for names in uses.values() for name in names}.union(kept)
        self._forget(tuple(self.outputs), needed)
        for step in steps:
            self.run_step(step)
            self._forget(uses.get(step, ()), kept)

    def _forget(self, names: Sequence[str], kept: Collection[str]) -> None:
        for name in names:
            if name not in kept:
                self.outputs.pop(name, None)

    def write_artifact(self, name: str) -> Path:
        """Let the artifact task of an artifact output write its contents.

        Returns:
            The absolute path of the file or directory that it made.

        Raises:
            ArtifactFailedError: It raised or exited, or could not be called.
        """
        with failing_as_artifact(name, "written", steps=self.outputs):
            definition = self.program.description["artifact_outputs"][name]
            contents = read_value(definition["contents"])(self)
            task = definition["task"]["name"]
            if task not in self._artifact_tasks:
                raise ArtifactTaskNotFoundError(f"There is no artifact task {task!r}.")
            return serialize(
                self._artifact_tasks[task],
                working_dir=self._working_dir,
                name=name,
                contents=contents,
                args=definition["task"].get("args") or {},
            )

    def lookup(self, name: str, output: str | None) -> Any:
        """The value that `$name` or `$name.output` stands for: parameter, step, artifact."""
        if output is None and name in self._parameters:
            return self._parameters[name]
        missing: type[ResolutionError]
        values: Mapping[str, Any] | None = self.outputs.get(name)
        if values is not None:
            what, missing = f"step {name!r}", OutputNotFoundError
        elif (values := self._artifacts.get(name)) is not None:
            what, missing = f"artifact parameter {name!r}", ArtifactOutputNotFoundError
        else:
            raise UnresolvableReferenceError(
                f"The reference to {name!r} names no parameter, step with outputs, or artifact."
            )
        if output is None:
            if len(values) == 1:
                return next(iter(values.values()))
            raise IllegalOutputReferenceError(
                f"The reference to {what} must name an output, since it produced {len(values)}."
            )
        if output not in values:
            raise missing(f"There is no output {output!r} of {what}.")
        return values[output]

    def _call(self, step: str) -> None:
        call = self.program.call(step)
        args = [make(self) for make in call.args]
        kwargs = {name: make(self) for name, make in call.kwargs}
        function = pyplugs.get(call.package, call.module, call.function)
        value = function(*args, **kwargs)
        if call.output is not None:
            self.outputs[step] = {call.output: value}
        elif call.outputs:
            self.outputs[step] = unpack(value, call.outputs, what=f"step {step!r}")
