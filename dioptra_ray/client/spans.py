"""What the event log of a job says of the past, as spans of time: attempts, waits, tries."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from dioptra_ray.wire.jobs import JobEvent, JobRecord, MetricPoint, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeSpan:
    """The job was queued, or an attempt of it ran."""

    state: str
    attempt: int
    start: datetime
    end: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitSpan:
    """A stage waited for its turn, with all that it takes ready."""

    stage: str
    attempt: int
    try_number: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpan:
    """One try of a step.

    Attributes:
        step: The step as it was at the end of the try.
        attempt: The job's attempt.
        state: How the try ended; "running" if it has not, "lost" if its attempt was.
    """

    step: Step
    attempt: int
    state: str
    start: datetime
    end: datetime

    @property
    def node(self) -> str:
        """Address of its node."""
        return self.step.node

    @property
    def pid(self) -> int:
        """Process there."""
        return self.step.pid


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """All of them, each kind in the order of the log."""

    life: tuple[LifeSpan, ...]
    waits: tuple[WaitSpan, ...]
    steps: tuple[StepSpan, ...]
    metrics: tuple[MetricPoint, ...]

    def before(self, name: str, later: StepSpan) -> StepSpan | None:
        """The last try of a step that ended before another began, in the same attempt."""
        found = (
            span
            for span in self.steps
            if (span.step.name, span.attempt) == (name, later.attempt) and span.end <= later.start
        )
        return max(found, key=lambda span: span.end, default=None)


def read_spans(record: JobRecord, events: Iterable[JobEvent]) -> Spans:
    """Read the log of a job."""
    reader = _Reader()
    for event in events:
        reader.take(event)
    reader.close()
    steps = tuple(reader.steps)
    return Spans(
        life=tuple(reader.life),
        waits=tuple(_waits(record, reader.life, steps)),
        steps=steps,
        metrics=tuple(reader.metrics),
    )


class _Reader:
    """Follows the log, and keeps what is open."""

    def __init__(self) -> None:
        self.life: list[LifeSpan] = []
        self.steps: list[StepSpan] = []
        self.metrics: list[MetricPoint] = []
        self._running: dict[str, tuple[Step, int]] = {}
        self._job: JobRecord | None = None
        self._since: datetime | None = None
        self._latest: datetime | None = None

    def take(self, event: JobEvent) -> None:
        """Take in what happened next."""
        self._latest = max(filter(None, (self._latest, event.occurred)))
        if event.job is not None:
            self._moved(event.job, event.time)
        elif event.step is not None:
            self._changed(event.step, event.attempt)
        elif event.metric is not None:
            self.metrics.append(event.metric)

    def close(self) -> None:
        """Nothing more is known: what is open goes on until the last that was heard."""
        if self._latest is not None:
            self._end_life(self._latest)
            self._end_steps(self._latest, "running")

    def _moved(self, job: JobRecord, time: datetime) -> None:
        self._end_life(time)
        self._end_steps(time, "lost" if job.status == "queued" else job.status)
        self._job, self._since = (None, None) if job.is_final else (job, time)

    def _changed(self, step: Step, attempt: int) -> None:
        began = self._running.pop(step.name, None)
        if step.status == "running":
            if began is not None and step.started is not None:
                self._end_step(*began, step.started, "lost")
            self._running[step.name] = (step, attempt)
        elif step.started is not None and step.ended is not None:
            self._end_step(step, attempt, step.ended, step.status)

    def _end_life(self, time: datetime) -> None:
        # A job that was leased as it was made was never queued.
        if self._job is not None and self._since is not None and self._since < time:
            self.life.append(
                LifeSpan(
                    state=self._job.status,
                    attempt=self._job.attempt,
                    start=self._since,
                    end=time,
                    reason=self._job.reason if self._job.status != "queued" else "",
                )
            )

    def _end_steps(self, time: datetime, state: str) -> None:
        running, self._running = self._running, {}
        for step, attempt in running.values():
            self._end_step(step, attempt, time, state)

    def _end_step(self, step: Step, attempt: int, end: datetime, state: str) -> None:
        if step.started is not None:
            start, end = step.started, max(step.started, end)
            self.steps.append(
                StepSpan(step=step, attempt=attempt, state=state, start=start, end=end)
            )


def _waits(
    record: JobRecord, life: Iterable[LifeSpan], steps: Iterable[StepSpan]
) -> Iterator[WaitSpan]:
    by_attempt = defaultdict(list)
    for span in steps:
        by_attempt[span.attempt].append(span)
    for attempt in life:
        if attempt.state == "started":
            yield from _waits_of(record, attempt, by_attempt[attempt.attempt])


def _waits_of(record: JobRecord, attempt: LifeSpan, spans: list[StepSpan]) -> Iterator[WaitSpan]:
    tries: dict[str, dict[int, datetime]] = defaultdict(dict)
    for span in sorted(spans, key=lambda span: span.start):
        tries[span.step.stage].setdefault(span.step.try_number, span.start)
    for stage in dict.fromkeys(step.stage for step in record.steps.values()):
        own = {name for name, step in record.steps.items() if step.stage == stage}
        needed = {name for step in own for name in record.steps[step].after} - own
        # One that never began waits until the attempt is over, unless it could not begin.
        begun = tries.get(stage) or {1: attempt.end}
        for number, start in begun.items():
            done = {
                span.step.name: span.end
                for span in spans
                if span.state == "finished" and span.end <= start
            }
            failed = [
                span.end
                for span in spans
                if span.step.stage == stage and span.step.try_number < number
            ]
            ready = max([attempt.start, *failed, *(done[name] for name in needed & done.keys())])
            was_ready = stage in tries or (needed <= done.keys() and not _is_done(record, own))
            if was_ready and ready < start:
                yield WaitSpan(
                    stage=stage,
                    attempt=attempt.attempt,
                    try_number=number,
                    start=ready,
                    end=start,
                )


def _is_done(record: JobRecord, steps: set[str]) -> bool:
    """Whether steps are finished although they never ran: they were reused."""
    return all(record.steps[name].status == "finished" for name in steps)
