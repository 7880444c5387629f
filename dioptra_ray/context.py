"""What plugin code can ask about the job that it runs in.

One job runs in a process at a time, so the binding is the process's, not a thread's:
threads that a plugin starts see their job too.
"""

import logging
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dioptra_ray.errors import InvalidRequestError, PreconditionError

METRIC_NAME_RULE = (
    "a name has letters, digits and underscores, 200 at most, does not start with a digit, "
    "and is not only an underscore"
)
_METRIC_NAME = re.compile(r"[A-Za-z]|[A-Za-z_][A-Za-z0-9_]{1,199}")
_LONGEST_SHOWN = 80
_STEP_LIMIT = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """One value of a metric.

    Attributes:
        name: The metric.
        value: The value; may be NaN or infinite.
        step: The training step or epoch that it belongs to.
        time: When it was logged.
        graph_step: The step of the graph that logged it; None outside of steps.
    """

    name: str
    value: float
    step: int
    time: datetime
    graph_step: str | None


def _discard(_: MetricPoint) -> None:
    """Where metrics go when nobody wants them."""


@dataclass(slots=True, kw_only=True)
class CurrentJob:
    """The job that this process runs.

    Attributes:
        id: Its number; None in a local run.
        parameters: Its parameters, defaults included.
        working_directory: The directory that its steps share.
        step: The step that runs now; None between steps.
        metric_sink: Where logged metrics go.
        logger: For messages that should arrive under the job.
    """

    id: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    working_directory: Path = field(default_factory=Path.cwd)
    step: str | None = None
    metric_sink: Callable[[MetricPoint], None] = _discard
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("dioptra_ray.job"))

    def log_metric(self, name: str, value: Any, step: int = 0) -> None:
        """Record a value of a metric; the same name and step again replaces it.

        Args:
            name: Letters, digits and underscores, not starting with a digit.
            value: Anything that `float()` takes but text: numbers, numpy and torch scalars.
            step: The training step or epoch that it belongs to.

        Raises:
            InvalidRequestError: Name, value or step is none that can be stored.
        """
        point = MetricPoint(
            name=_checked_name(name),
            value=_checked_value(name, value),
            step=_checked_step(name, step),
            time=datetime.now(UTC),
            graph_step=self.step,
        )
        self.metric_sink(point)


_bound: list[CurrentJob] = []


def current_job() -> CurrentJob:
    """The job that this process runs.

    Raises:
        PreconditionError: No job runs here.
    """
    if not _bound:
        raise PreconditionError(
            "No job runs in this process. Plugin code has a job inside of steps; in a test, "
            "use `dioptra_ray.local.run`, or `with dioptra_ray.context.bind(CurrentJob()):`."
        )
    return _bound[-1]


@contextmanager
def bind(job: CurrentJob) -> Iterator[CurrentJob]:
    """Make `job` the current one for a while."""
    _bound.append(job)
    try:
        yield job
    finally:
        _bound.remove(job)


def enter_step(step: str | None) -> str | None:
    """Note which step runs now; return the one noted before."""
    if not _bound:
        return None
    job = _bound[-1]
    previous, job.step = job.step, step
    return previous


def is_metric_name(name: Any) -> bool:
    """Whether a metric may be called so: see `METRIC_NAME_RULE`."""
    return isinstance(name, str) and _METRIC_NAME.fullmatch(name) is not None


def _checked_name(name: Any) -> str:
    if is_metric_name(name):
        return str(name)
    shown = repr(name) if len(repr(name)) <= _LONGEST_SHOWN else f"{repr(name)[:_LONGEST_SHOWN]}..."
    raise InvalidRequestError(f"{shown} cannot name a metric: {METRIC_NAME_RULE}.")


def _checked_value(name: str, value: Any) -> float:
    try:
        if isinstance(value, str | bytes | bytearray):
            raise TypeError("it is text")  # noqa: TRY301 - reported like every other refusal
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InvalidRequestError(
            f"The value of metric {name!r} is not a number that can be stored: {error}."
        ) from None


def _checked_step(name: str, step: Any) -> int:
    try:
        number = operator.index(step)
    except TypeError:
        raise InvalidRequestError(
            f"The step of metric {name!r} must be an integer, not {step!r}."
        ) from None
    if not -_STEP_LIMIT <= number < _STEP_LIMIT:
        raise InvalidRequestError(f"The step of metric {name!r} does not fit 64 bits: {number}.")
    return number
