"""What runners say and are told, as messages."""

from collections.abc import Iterable, Mapping

from dioptra_controller.jobs.reports import (
    LEVELS,
    AttemptEnd,
    Failure,
    Happening,
    LogLine,
    MetricPoint,
    Report,
    StoredArtifact,
)
from dioptra_controller.jobs.saved_stages import SavedStage
from dioptra_controller.jobs.state import JobState
from dioptra_controller.jobs.steps import StepChange, StepState
from dioptra_controller.jobs.waits import StageWait
from dioptra_controller.scheduling.messages import (
    Acknowledgement,
    Assignment,
    Cancellation,
    Greeting,
    Lease,
    Message,
)
from dioptra_controller.scheduling.runners import Node
from dioptra_controller.scheduling.sessions import Introduction
from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.api.types.v1 import failure_pb2
from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.wire.times import from_timestamp

MAX_SLOTS = 100_000
_FAILURE_FIELDS = tuple(Failure.__dataclass_fields__)
_PHASES: Mapping[int, StepState] = {
    pb.StepPhase.Value(f"STEP_PHASE_{state.name}"): state
    for state in StepState
    if state is not StepState.PENDING
}
_OUTCOMES: Mapping[int, JobState] = {
    pb.AttemptOutcome.Value(f"ATTEMPT_OUTCOME_{state.name}"): state
    for state in (JobState.FINISHED, JobState.FAILED, JobState.CANCELLED)
}


def read_hello(hello: pb.Hello) -> Introduction:
    """Who a runner is.

    Raises:
        InvalidRequestError: It has no id, name, queues or slots.
    """
    for field in ("runner_id", "name"):
        value = getattr(hello, field)
        if not value or len(value) > _LONGEST_NAME or not value.isprintable():
            raise InvalidRequestError(f"hello: {field} must be a word of 1 to 255 characters")
    if not hello.queues:
        raise InvalidRequestError("hello: the runner serves no queue; name at least one")
    if not 0 < hello.slots <= MAX_SLOTS:
        raise InvalidRequestError(f"hello: slots is {hello.slots}, but must be 1 to {MAX_SLOTS}")
    return Introduction(
        runner_id=hello.runner_id,
        name=hello.name,
        queues=tuple(dict.fromkeys(hello.queues)),
        slots=hello.slots,
        resources=dict(hello.resources),
        ray_address=hello.ray_address,
        leases=tuple(Lease(lease.job_id, lease.attempt) for lease in hello.leases),
        nodes=read_nodes(hello.nodes),
        is_draining=hello.draining,
    )


def read_nodes(nodes: Iterable[pb.Node]) -> tuple[Node, ...]:
    """The nodes of a runner's cluster, by address."""
    found = (
        Node(
            id=node.id,
            address=node.address,
            resources=dict(node.resources),
            labels=dict(node.labels),
        )
        for node in nodes
    )
    return tuple(sorted(found, key=lambda node: (node.address, node.id)))


_LONGEST_NAME = 255


def read_report(report: pb.Report) -> Report:
    """What happened to a job; of what a newer runner adds, nothing is known."""
    return Report(
        sequence=report.sequence,
        job_id=report.job_id,
        attempt=report.attempt,
        happenings=_read_happenings(report),
    )


def write_welcome(greeting: Greeting, lease_seconds: float) -> pb.ConnectResponse:
    """The first thing that a runner is told."""
    welcome = pb.Welcome(
        lease_seconds=lease_seconds,
        # Two may be lost before the third is too late.
        heartbeat_seconds=lease_seconds / 4,
        revoked=map(_write_lease, greeting.revoked),
        committed_sequence=greeting.committed_sequence,
    )
    return pb.ConnectResponse(welcome=welcome)


def write_message(message: Message) -> pb.ConnectResponse:
    """What a runner is told."""
    match message:
        case Assignment():
            return pb.ConnectResponse(assignment=_write_assignment(message))
        case Cancellation(lease):
            return pb.ConnectResponse(cancellation=pb.Cancellation(lease=_write_lease(lease)))
        case Acknowledgement(sequence):
            return pb.ConnectResponse(acknowledgement=pb.Acknowledgement(sequence=sequence))


def _read_happenings(report: pb.Report) -> tuple[Happening, ...]:
    match report.WhichOneof("event"):
        case "steps_changed":
            return tuple(map(_read_step, report.steps_changed.changes))
        case "logs_appended":
            return tuple(map(_read_line, report.logs_appended.lines))
        case "metrics_logged":
            return tuple(map(_read_metric, report.metrics_logged.values))
        case "stage_waiting":
            waiting = report.stage_waiting
            return (StageWait(stage=waiting.stage, reason=waiting.reason),)
        case "attempt_ended":
            return (_read_end(report.attempt_ended),)
        case _:
            return ()


def _read_step(change: pb.StepChange) -> StepChange:
    if change.phase not in _PHASES:
        raise InvalidRequestError(f"step {change.step!r}: {change.phase} is no phase of a step")
    return StepChange(
        step=change.step,
        state=_PHASES[change.phase],
        time=from_timestamp(change.time),
        node=change.node,
        pid=change.pid,
        try_number=change.try_number,
        cpu_seconds=change.cpu_seconds,
        peak_memory=change.peak_memory_bytes,
        gpus=tuple(change.gpus),
        exit_reason=change.exit_reason,
    )


def _read_line(line: pb.LogLine) -> LogLine:
    return LogLine(
        time=from_timestamp(line.time),
        level=LEVELS.get(line.level.upper(), LEVELS["INFO"]),
        logger=line.logger,
        step=line.step,
        message=line.message,
    )


def _read_metric(value: pb.MetricValue) -> MetricPoint:
    return MetricPoint(
        name=value.name,
        step=value.step,
        value=value.value,
        time=from_timestamp(value.time),
        graph_step=value.graph_step,
    )


def _read_end(end: pb.AttemptEnded) -> AttemptEnd:
    if end.outcome not in _OUTCOMES:
        raise InvalidRequestError(f"{end.outcome} is no outcome of an attempt")
    return AttemptEnd(
        outcome=_OUTCOMES[end.outcome],
        failure=_read_failure(end.failure) if end.HasField("failure") else None,
        artifacts=tuple(
            StoredArtifact(name=item.name, key=item.key, manifest_json=item.manifest_json)
            for item in end.artifacts
        ),
        saved_stages=tuple(
            SavedStage(stage=item.stage, job_id=item.job_id, key=item.key)
            for item in end.saved_stages
        ),
    )


def _read_failure(failure: failure_pb2.Failure) -> Failure:
    return Failure(**{field: getattr(failure, field) for field in _FAILURE_FIELDS})


def _write_assignment(assignment: Assignment) -> pb.Assignment:
    return pb.Assignment(
        lease=_write_lease(assignment.lease),
        plan_digest=assignment.plan_digest,
        parameters_json=assignment.parameters_json.encode(),
        artifact_inputs=[
            pb.ArtifactInput(
                name=item.name,
                artifact_id=item.artifact_id,
                key=item.key,
                manifest_json=item.manifest_json,
                task=item.task,
                plugin_digest=item.plugin_digest,
                outputs=item.outputs,
            )
            for item in assignment.artifact_inputs
        ],
        timeout_seconds=assignment.timeout_seconds,
        entrypoint=assignment.entrypoint,
        experiment=assignment.experiment,
        saved_stages=[
            pb.SavedStage(stage=item.stage, job_id=item.job_id, key=item.key)
            for item in assignment.saved_stages
        ],
    )


def _write_lease(lease: Lease) -> pb.Lease:
    return pb.Lease(job_id=lease.job_id, attempt=lease.attempt)
