"""A job as a trace that Perfetto and chrome://tracing open: what ran where, and when.

The format is the Trace Event Format, of which this uses complete slices ("X"), flows ("s",
"f"), counters ("C"), instants ("i") and names ("M"). Times are microseconds since the epoch.
One process of the trace is the job: how long it was queued, how long its stages waited, its
metrics. The others are nodes, and their threads are worker processes.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dioptra_ray.client.spans import Spans, StepSpan, read_spans
from dioptra_ray.wire.jobs import JobEvent, JobRecord, MetricPoint

Trace = dict[str, Any]

_JOB = 1
_LIFE = 1


def make_timeline(record: JobRecord, events: Iterable[JobEvent]) -> Trace:
    """The trace of a job.

    Args:
        record: The job, with its steps.
        events: All that has happened to it, in order.
    """
    spans = read_spans(record, events)
    tracks = _Tracks.of(record, spans)
    return {
        "traceEvents": [
            *tracks.names(record),
            *_life(spans),
            *_waits(spans, tracks),
            *(_slice_of(span, tracks) for span in spans.steps),
            *_flows(record, spans, tracks),
            *map(_metric, spans.metrics),
        ],
        "displayTimeUnit": "ms",
        "otherData": {
            "job": record.id,
            "entrypoint": record.entrypoint,
            "experiment": record.experiment,
            "status": record.status,
        },
    }


@dataclass(frozen=True, slots=True)
class _Tracks:
    """Numbers of nodes as processes, and of stages as threads of the job's process."""

    nodes: Mapping[str, int]
    stages: Mapping[str, int]
    workers: Sequence[tuple[str, int]]

    @classmethod
    def of(cls, record: JobRecord, spans: Spans) -> "_Tracks":
        workers = sorted({(span.node, span.pid) for span in spans.steps})
        nodes = sorted({node for node, _ in workers})
        stages = dict.fromkeys(step.stage for step in record.steps.values())
        return cls(
            nodes={node: number for number, node in enumerate(nodes, _JOB + 1)},
            stages={stage: number for number, stage in enumerate(stages, _LIFE + 1)},
            workers=workers,
        )

    def names(self, record: JobRecord) -> Iterator[Trace]:
        yield from _process(_JOB, f"job {record.id} ({record.entrypoint})")
        yield from _thread(_JOB, _LIFE, "life", 0)
        for stage, number in self.stages.items():
            yield from _thread(_JOB, number, f"stage {stage}", number)
        for node, number in self.nodes.items():
            yield from _process(number, f"node {node or 'unknown'}")
        for order, (node, pid) in enumerate(self.workers):
            yield from _thread(self.nodes[node], pid, f"process {pid}", order)


def _process(number: int, name: str) -> Iterator[Trace]:
    yield _named("process_name", number, {"name": name})
    yield _named("process_sort_index", number, {"sort_index": number})


def _thread(process: int, number: int, name: str, order: int) -> Iterator[Trace]:
    yield _named("thread_name", process, {"name": name}, number)
    yield _named("thread_sort_index", process, {"sort_index": order}, number)


def _named(what: str, process: int, args: Trace, thread: int = 0) -> Trace:
    return {"name": what, "ph": "M", "ts": 0, "pid": process, "tid": thread, "args": args}


def _life(spans: Spans) -> Iterator[Trace]:
    for life in spans.life:
        args = {"attempt": life.attempt, **({"reason": life.reason} if life.reason else {})}
        name = life.state if life.state == "queued" else f"attempt {life.attempt}"
        yield _slice(name, "job", life.start, life.end, _JOB, _LIFE, args)


def _waits(spans: Spans, tracks: _Tracks) -> Iterator[Trace]:
    for wait in spans.waits:
        args = {"stage": wait.stage, "attempt": wait.attempt, "try": wait.try_number}
        thread = tracks.stages[wait.stage]
        yield _slice("waiting", "wait", wait.start, wait.end, _JOB, thread, args)


def _slice_of(span: StepSpan, tracks: _Tracks) -> Trace:
    step = span.step
    args = {
        "state": span.state,
        "task": step.task,
        "stage": step.stage,
        "attempt": span.attempt,
        "try": step.try_number,
        "cpu_seconds": step.cpu_seconds,
        "peak_memory_bytes": step.peak_memory,
        "gpus": list(step.gpus),
        "exit_reason": step.exit_reason,
    }
    node = tracks.nodes[span.node]
    return _slice(step.name, "step", span.start, span.end, node, span.pid, args)


def _flows(record: JobRecord, spans: Spans, tracks: _Tracks) -> Iterator[Trace]:
    """Arrows from the steps that a step directly follows."""
    numbers = itertools.count(1)
    for span in spans.steps:
        for name in record.steps[span.step.name].after if span.step.name in record.steps else ():
            before = spans.before(name, span)
            if before is None:
                continue
            same = {"name": "edge", "cat": "edge", "id": next(numbers)}
            # Within the slice, whose end does not belong to it.
            leaves = max(_micros(before.start), _micros(before.end) - 1)
            place = {"pid": tracks.nodes[before.node], "tid": before.pid}
            yield {**same, "ph": "s", "ts": leaves, **place}
            place = {"pid": tracks.nodes[span.node], "tid": span.pid}
            yield {**same, "ph": "f", "bp": "e", "ts": _micros(span.start), **place}


def _metric(point: MetricPoint) -> Trace:
    where = {"cat": "metric", "ts": _micros(point.time), "pid": _JOB, "tid": _LIFE}
    if math.isfinite(point.value):
        return {"name": point.name, "ph": "C", **where, "args": {"value": point.value}}
    # No number in JSON, but not to be left out either.
    return {"name": f"{point.name} = {point.value}", "ph": "i", "s": "p", **where}


def _slice(  # noqa: PLR0913, PLR0917 - what a slice is made of
    name: str, kind: str, start: datetime, end: datetime, process: int, thread: int, args: Trace
) -> Trace:
    begin = _micros(start)
    return {
        "name": name,
        "cat": kind,
        "ph": "X",
        "ts": begin,
        "dur": max(1, _micros(end) - begin),
        "pid": process,
        "tid": thread,
        "args": args,
    }


def _micros(time: datetime) -> int:
    return round(time.timestamp() * 1_000_000)
