"""The runner's values to and from the messages of `dioptra_ray.api.runner.v1`."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.api.types.v1.failure_pb2 import Failure
from dioptra_ray.planning.plan import Plan
from dioptra_workers.runner.capacity import Node
from dioptra_workers.runner.orders import JobEnded, JobOrder, LeaseKey, SavedStage, StageWaits
from dioptra_workers.stage.events import Event, LogLine, MetricLogged, StepChanged
from dioptra_workers.stage.journal import clean
from dioptra_workers.stage.request import ArtifactInput, JobContext, StageFailure

EVENTS_PER_REPORT = 200

_PHASES = {
    "running": pb.STEP_PHASE_RUNNING,
    "finished": pb.STEP_PHASE_FINISHED,
    "failed": pb.STEP_PHASE_FAILED,
    "cancelled": pb.STEP_PHASE_CANCELLED,
    "skipped": pb.STEP_PHASE_SKIPPED,
}
_OUTCOMES = {
    "finished": pb.ATTEMPT_OUTCOME_FINISHED,
    "failed": pb.ATTEMPT_OUTCOME_FAILED,
    "cancelled": pb.ATTEMPT_OUTCOME_CANCELLED,
}


def write_lease(lease: LeaseKey) -> pb.Lease:
    """A lease as a message."""
    return pb.Lease(job_id=lease[0], attempt=lease[1])


def read_lease(lease: pb.Lease) -> LeaseKey:
    """What `write_lease` wrote."""
    return lease.job_id, lease.attempt


def write_nodes(nodes: Iterable[Node]) -> Iterator[pb.Node]:
    """Nodes as messages, in order of their addresses."""
    for node in sorted(nodes, key=lambda one: (one.address, one.id)):
        yield pb.Node(
            id=node.id,
            address=node.address,
            resources={k: v for k, v in node.resources.items() if not k.startswith("node:")},
            labels=node.labels,
        )


def write_events(lease: LeaseKey, events: Sequence[Event | StageWaits]) -> Iterator[pb.Report]:
    """Reports of events, in order; neighbours of one kind share a report.

    Lines are apart from the rest, which the controller numbers apart as well: they come
    first, so that whoever sees a step end can read what it has said. Else the line that
    each step begins with would break the steps of a job into as many reports.
    """
    ordered = sorted(events, key=_is_no_line)
    for kind, group in itertools.groupby(ordered, type):
        if kind is StageWaits:
            for one in group:
                yield _write_waiting(lease, one)  # type: ignore[arg-type]
            continue
        while part := list(itertools.islice(group, EVENTS_PER_REPORT)):
            report = pb.Report(job_id=lease[0], attempt=lease[1])
            if kind is StepChanged:
                report.steps_changed.changes.extend(map(_write_change, part))  # type: ignore[arg-type]
            elif kind is LogLine:
                report.logs_appended.lines.extend(map(_write_log_line, part))  # type: ignore[arg-type]
            else:
                report.metrics_logged.values.extend(map(_write_metric, part))  # type: ignore[arg-type]
            yield report


def _is_no_line(event: Event | StageWaits) -> bool:
    return type(event) is not LogLine


def write_end(lease: LeaseKey, ended: JobEnded) -> pb.Report:
    """The report that an attempt has ended."""
    end = pb.AttemptEnded(outcome=_OUTCOMES[ended.outcome])
    if ended.failure is not None:
        end.failure.CopyFrom(write_failure(ended.failure))
    for artifact in ended.artifacts:
        end.artifacts.add(
            name=artifact.name, key=artifact.key, manifest_json=artifact.manifest_json
        )
    for saved in ended.saved_stages:
        end.saved_stages.add(stage=saved.stage, job_id=saved.job_id, key=saved.key)
    return pb.Report(job_id=lease[0], attempt=lease[1], attempt_ended=end)


def write_failure(failure: StageFailure) -> Failure:
    """A failure as a message."""
    return Failure(
        reason=failure.reason,
        message=clean(failure.message),
        step=failure.step,
        error_type=clean(failure.error_type),
        traceback=clean(failure.traceback),
        file=clean(failure.file),
        line=failure.line,
        retryable=failure.retryable,
    )


def read_assignment(assignment: pb.Assignment, plan: Plan) -> JobOrder:
    """The order that an assignment means, with its plan."""
    job = JobContext(
        job_id=assignment.lease.job_id,
        attempt=assignment.lease.attempt,
        parameters_json=assignment.parameters_json or b"{}",
        artifact_inputs=tuple(map(_read_artifact_input, assignment.artifact_inputs)),
        entrypoint=assignment.entrypoint,
        experiment=assignment.experiment,
    )
    return JobOrder(
        job=job,
        plan=plan,
        plan_digest=assignment.plan_digest,
        timeout=assignment.timeout_seconds or None,
        saved_stages=tuple(
            SavedStage(stage=saved.stage, job_id=saved.job_id, key=saved.key)
            for saved in assignment.saved_stages
        ),
    )


def _read_artifact_input(given: pb.ArtifactInput) -> ArtifactInput:
    return ArtifactInput(
        name=given.name,
        artifact_id=given.artifact_id,
        key=given.key,
        manifest_json=given.manifest_json,
        task=given.task,
        plugin_digest=given.plugin_digest,
        outputs=tuple(given.outputs),
    )


def _write_time(seconds: float) -> Timestamp:
    whole = int(seconds // 1)
    return Timestamp(seconds=whole, nanos=min(int((seconds - whole) * 1e9), 999_999_999))


def _write_waiting(lease: LeaseKey, waits: StageWaits) -> pb.Report:
    said = pb.StageWaiting(stage=waits.stage, reason=waits.reason)
    return pb.Report(job_id=lease[0], attempt=lease[1], stage_waiting=said)


def _write_change(event: StepChanged) -> pb.StepChange:
    return pb.StepChange(
        step=event.step,
        phase=_PHASES[event.phase],
        time=_write_time(event.time),
        node=event.node,
        pid=event.pid,
        try_number=event.try_number,
        cpu_seconds=event.cpu_seconds,
        peak_memory_bytes=event.peak_memory,
        gpus=event.gpus,
        exit_reason=event.exit_reason,
    )


def _write_log_line(event: LogLine) -> pb.LogLine:
    return pb.LogLine(
        time=_write_time(event.time),
        level=event.level,
        logger=event.logger,
        step=event.step,
        message=event.message,
    )


def _write_metric(event: MetricLogged) -> pb.MetricValue:
    return pb.MetricValue(
        name=event.name,
        step=event.step,
        value=event.value,
        time=_write_time(event.time),
        graph_step=event.graph_step,
    )
