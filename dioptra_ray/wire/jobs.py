"""Jobs as the client knows them, and how to read them from messages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from dioptra_ray.api.controller.v1 import job_pb2, job_service_pb2
from dioptra_ray.api.types.v1 import failure_pb2
from dioptra_ray.wire.states import job_state, step_state
from dioptra_ray.wire.times import find_time, from_timestamp
from dioptra_ray.wire.values import read_mapping

FINAL_STATES: Final = frozenset({"finished", "failed", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job ended badly.

    Attributes:
        reason: Stable upper-case reason, such as STEP_RAISED or TIMEOUT.
        message: One plain sentence.
        step: The step that failed; empty when no single step did.
        error_type: Class name of the exception; empty when none was raised.
        traceback: The formatted traceback; may be empty.
        file: Plugin file of the innermost plugin frame; may be empty.
        line: Line in that file; 0 when unknown.
        retryable: Whether another attempt could succeed.
    """

    reason: str
    message: str
    step: str = ""
    error_type: str = ""
    traceback: str = ""
    file: str = ""
    line: int = 0
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One node of a job's graph.

    Attributes:
        name: Its name in the graph.
        task: The task that it calls.
        stage: The stage that it runs in.
        status: pending, running, finished, failed, cancelled or skipped.
        started: When its function was called.
        ended: When its function returned or raised.
        node: Address of the node that it ran on.
        pid: Process id on that node.
        try_number: How often its stage was tried in the job's present attempt.
        cpu_seconds: CPU time of all threads and ended children of its process.
        peak_memory: The most bytes that its process had resident; 0 when not known.
        gpus: Ids of the GPUs that it was given.
        exit_reason: How it ended when it did not return, such as "raised ValueError".
        after: The steps that it directly follows.
    """

    name: str
    task: str
    stage: str
    status: str
    started: datetime | None
    ended: datetime | None
    node: str
    pid: int
    try_number: int = 0
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    gpus: tuple[str, ...] = ()
    exit_reason: str = ""
    after: tuple[str, ...] = ()

    @property
    def seconds(self) -> float | None:
        """How long its function took; None unless it has returned or raised."""
        if self.started is None or self.ended is None:
            return None
        return (self.ended - self.started).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One line that a job said."""

    sequence: int
    time: datetime
    level: str
    logger: str
    step: str
    message: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """One value of a metric; `graph_step` is the graph's step that logged it."""

    name: str
    step: int
    value: float
    time: datetime
    graph_step: str


@dataclass(frozen=True, slots=True)
class MetricSeries(Sequence[MetricPoint]):
    """The values of one metric, sorted by step."""

    name: str
    points: tuple[MetricPoint, ...]

    @property
    def last(self) -> float:
        """The value at the highest step."""
        return self.points[-1].value

    @property
    def values(self) -> tuple[float, ...]:
        """All values, in order of the steps."""
        return tuple(point.value for point in self.points)

    def __getitem__(self, index: Any) -> Any:
        return self.points[index]

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[MetricPoint]:
        return iter(self.points)

    def __float__(self) -> float:
        return self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as it was when it was read; see the protos for the meaning of each field."""

    id: int
    experiment: str
    entrypoint: str
    entrypoint_snapshot: int
    queue: str
    description: str
    status: str
    reason: str
    attempt: int
    parameters: Mapping[str, Any]
    artifact_inputs: Mapping[str, int]
    steps: Mapping[str, Step]
    failure: Failure | None
    created: datetime | None
    started: datetime | None
    ended: datetime | None
    sweep: int | None
    trial: int | None
    retry_of: int | None
    plan_digest: str
    timeout: float
    artifact_ids: tuple[int, ...]
    swaps: Mapping[str, str] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    saved_stages: tuple[str, ...] = ()
    reused_stages: tuple[str, ...] = ()
    last_event: int = 0

    @property
    def is_final(self) -> bool:
        """Whether it has ended, well or badly."""
        return self.status in FINAL_STATES


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """Something happened to a job; exactly one of the last three is set.

    Attributes:
        sequence: Dense within the job, from 1.
        time: When the controller heard of it.
        job: The job after its state changed.
        step: The step after its state changed.
        metric: A metric that was logged.
        attempt: The attempt that the step ran in; 0 for other events.
    """

    sequence: int
    time: datetime
    job: JobRecord | None = None
    step: Step | None = None
    metric: MetricPoint | None = field(default=None)
    attempt: int = 0

    @property
    def occurred(self) -> datetime:
        """When it happened, by the clock of the worker if it happened there."""
        if self.metric is not None:
            return self.metric.time
        if self.step is not None:
            return self.step.ended or self.step.started or self.time
        return self.time


def read_failure(message: failure_pb2.Failure) -> Failure:
    """Read a failure."""
    return Failure(
        reason=message.reason,
        message=message.message,
        step=message.step,
        error_type=message.error_type,
        traceback=message.traceback,
        file=message.file,
        line=message.line,
        retryable=message.retryable,
    )


def read_step(message: job_pb2.Step) -> Step:
    """Read a step."""
    return Step(
        name=message.name,
        task=message.task,
        stage=message.stage,
        status=step_state(message.state),
        started=find_time(message, "start_time"),
        ended=find_time(message, "end_time"),
        node=message.node,
        pid=message.pid,
        try_number=message.try_number,
        cpu_seconds=message.cpu_seconds,
        peak_memory=message.peak_memory_bytes,
        gpus=tuple(message.gpus),
        exit_reason=message.exit_reason,
        after=tuple(message.after),
    )


def read_job(message: job_pb2.Job) -> JobRecord:
    """Read a job."""
    return JobRecord(
        id=message.id,
        experiment=message.experiment,
        entrypoint=message.entrypoint,
        entrypoint_snapshot=message.entrypoint_snapshot,
        queue=message.queue,
        description=message.description,
        status=job_state(message.state),
        reason=message.reason,
        attempt=message.attempt,
        parameters=read_mapping(message.parameters),
        artifact_inputs=dict(message.artifact_inputs),
        steps={step.name: read_step(step) for step in message.steps},
        failure=read_failure(message.failure) if message.HasField("failure") else None,
        created=find_time(message, "create_time"),
        started=find_time(message, "start_time"),
        ended=find_time(message, "end_time"),
        sweep=message.sweep_id or None,
        trial=message.trial if message.sweep_id else None,
        retry_of=message.retry_of or None,
        plan_digest=message.plan_digest,
        timeout=message.timeout_seconds,
        artifact_ids=tuple(message.artifacts),
        swaps=dict(message.swaps),
        deleted=tuple(message.deleted),
        saved_stages=tuple(message.saved_stages),
        reused_stages=tuple(message.reused_stages),
        last_event=message.last_event_sequence,
    )


def read_log(message: job_pb2.LogRecord) -> LogRecord:
    """Read one line."""
    return LogRecord(
        sequence=message.sequence,
        time=from_timestamp(message.time),
        level=message.level,
        logger=message.logger,
        step=message.step,
        message=message.message,
        attempt=message.attempt,
    )


def read_metric(message: job_pb2.Metric) -> MetricPoint:
    """Read one value of a metric."""
    return MetricPoint(
        name=message.name,
        step=message.step,
        value=message.value,
        time=from_timestamp(message.time),
        graph_step=message.graph_step,
    )


def read_event(message: job_service_pb2.WatchJobResponse) -> JobEvent:
    """Read one event; one of a kind that a newer controller sends has nothing set."""
    kind = message.WhichOneof("event")
    return JobEvent(
        sequence=message.sequence,
        time=from_timestamp(message.event_time),
        job=read_job(message.job_state_changed.job) if kind == "job_state_changed" else None,
        step=read_step(message.step_state_changed.step) if kind == "step_state_changed" else None,
        metric=read_metric(message.metric_logged.metric) if kind == "metric_logged" else None,
        attempt=message.step_state_changed.attempt,
    )


def read_series(points: Sequence[MetricPoint]) -> dict[str, MetricSeries]:
    """Group values by metric, each sorted by step."""
    names = sorted({point.name for point in points})
    ordered = sorted(points, key=lambda point: point.step)
    return {
        name: MetricSeries(name, tuple(point for point in ordered if point.name == name))
        for name in names
    }
