"""Watching a job: its steps, what it says, and how it ended."""

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from dioptra_ray.cli.exits import CANCELLED, FAILED
from dioptra_ray.cli.output import Output, between, cell, plain, seconds
from dioptra_ray.cli.target import Target
from dioptra_ray.cli.wording import Styled, clean, place
from dioptra_ray.wire.jobs import JobEvent, JobRecord, LogRecord, Step

if TYPE_CHECKING:
    from dioptra_ray.cli.job_view import JobView
    from dioptra_ray.client import Client, Job

COLOURS = {
    "finished": "green",
    "failed": "red",
    "cancelled": "yellow",
    "skipped": "yellow",
    "running": "cyan",
    "started": "cyan",
}
LEVEL_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red", "DEBUG": "bright_black"}


def follow_to_end(client: "Client", job: "Job", target: Target, output: Output) -> int:
    """Show a job until it has ended, then how; return the exit code.

    Ctrl-C leaves the job running and says how to get back to it.
    """
    try:
        watch(client, job, output)
    except KeyboardInterrupt:
        say_how_to_return("job", job.id, target, output)
        return CANCELLED
    job.refresh()
    if output.is_json:
        output.json(
            {**record_data(job.record), "metrics": last_metrics(job), "artifacts": stored(job)}
        )
    else:
        show_outcome(job, output)
    return 0 if job.status == "finished" else FAILED


def watch(client: "Client", job: "Job", output: Output) -> None:
    """Print what happens to a job, and what it says, until it has ended."""
    with _view(job, output) as view:
        say = output.line if view is None else view.say
        for item in client.jobs.follow(job.id):
            if isinstance(item, LogRecord):
                say(log_line(item))
                continue
            line = _event_line(item)
            # On a terminal the steps are seen below.
            if line and (view is None or item.step is None):
                say(line)
            if view is not None:
                view.update(item)


def stream_to_end(client: "Client", job: "Job", target: Target, output: Output) -> int:
    """Print all that happens to a job, and what it says, as lines of JSON; as `follow_to_end`."""
    try:
        for item in client.jobs.follow(job.id):
            if (data := event_data(item)) is not None:
                output.json_line(data)
    except KeyboardInterrupt:
        say_how_to_return("job", job.id, target, output)
        return CANCELLED
    return 0 if job.refresh().status == "finished" else FAILED


def event_data(item: JobEvent | LogRecord) -> dict[str, object] | None:
    """What has happened as a script reads it; None for what only newer controllers know."""
    if isinstance(item, LogRecord):
        return {"event": "log", **plain(item)}
    told: dict[str, object] = {"sequence": item.sequence, "time": item.occurred}
    if item.job is not None:
        return {"event": "job", **told, "job": record_data(item.job)}
    if item.step is not None:
        return {"event": "step", **told, "attempt": item.attempt, "step": item.step}
    if item.metric is not None:
        return {"event": "metric", **told, "metric": item.metric}
    return None


def say_how_to_return(noun: str, number: int, target: Target, output: Output) -> None:
    """Say that Ctrl-C has stopped nothing, and how to come back or stop it."""
    options = target.options()
    output.note(f"\n{noun} {number} goes on. To watch it again, or to stop it:")
    output.note(f"  dioptra-ray {noun} watch {number}{options}")
    output.note(f"  dioptra-ray {noun} cancel {number}{options}")


def log_line(record: LogRecord) -> str:
    """A log record as a line: time, step, level and logger where they say something."""
    time = record.time.astimezone().strftime("%H:%M:%S.%f")[:-3]
    step = f"{clean(record.step)} | " if record.step else ""
    message = clean(record.message)
    if record.logger in {"stdout", "stderr"}:
        return f"{click.style(time, dim=True)} {step}{message}"
    level = click.style(f"{record.level:<7}", fg=LEVEL_COLOURS.get(record.level))
    logger = click.style(clean(record.logger), dim=True)
    return f"{click.style(time, dim=True)} {step}{level} {logger}: {message}"


def show_outcome(job: "Job", output: Output) -> None:
    """Print how a job ended: its failure, or its metrics and artifacts."""
    record = job.record
    took = between(record.started, record.ended)
    after = f" after {seconds(took)}" if took is not None else ""
    output.line(f"job {job.id} {coloured(job.status)}{after}")
    show_failure(record, output)
    metrics = last_metrics(job)
    if metrics:
        output.line("metrics")
        for name, value in metrics.items():
            output.line(f"  {clean(name)} = {cell(value)}")
    artifacts = sorted(job.artifacts.values(), key=lambda artifact: artifact.id)
    if artifacts:
        output.line("artifacts")
        for artifact in artifacts:
            output.line(f"  {artifact.id}  {artifact.name}  {place(artifact.uri)}")


def show_failure(record: JobRecord, output: Output) -> None:
    """Print why a job failed: the step, the exception, the line of the plugin."""
    failure = record.failure
    if failure is None:
        return
    output.fields(
        {
            "  step": failure.step,
            "  reason": failure.reason,
            "  error": failure.error_type,
            "  message": failure.message,
            "  at": f"{failure.file}:{failure.line}" if failure.file else None,
        }
    )
    if failure.traceback:
        output.line("  traceback")
        for line in clean(failure.traceback).rstrip().splitlines():
            output.line(f"    {line}")


def coloured(status: str) -> Styled:
    """A state in its colour."""
    return Styled(click.style(status, fg=COLOURS.get(status), bold=status == "failed"))


def record_data(record: JobRecord) -> dict[str, object]:
    """A job as a script reads it."""
    data = {name: getattr(record, name) for name in record.__slots__}
    data["steps"] = list(record.steps.values())
    data["duration"] = between(record.started, record.ended)
    return data


def last_metrics(job: "Job") -> dict[str, float]:
    """The value at the highest step of each metric."""
    return {name: series.last for name, series in job.metrics.items()}


def stored(job: "Job") -> list[dict[str, object]]:
    """What a job has stored, in short."""
    return [
        {"id": artifact.id, "name": artifact.name, "size": artifact.size, "uri": artifact.uri}
        for artifact in sorted(job.artifacts.values(), key=lambda artifact: artifact.id)
    ]


def _event_line(event: JobEvent) -> str:
    time = click.style(event.occurred.astimezone().strftime("%H:%M:%S.%f")[:-3], dim=True)
    if event.job is not None:
        reason = f" ({event.job.reason})" if event.job.reason else ""
        return f"{time} job {event.job.id} {coloured(event.job.status)}{reason}"
    if event.step is not None:
        return f"{time} {_step_line(event.step)}"
    if event.metric is not None:
        metric = event.metric
        name = clean(f"{metric.graph_step} | {metric.name}")
        return f"{time} {name}[{metric.step}] = {metric.value:g}"
    return ""  # of a kind that only newer controllers know


def _step_line(step: Step) -> str:
    took = between(step.started, step.ended)
    after = f" after {seconds(took)}" if took is not None else ""
    reason = f" ({clean(step.exit_reason)})" if step.exit_reason else ""
    return f"step {clean(step.name)} {coloured(step.status)}{after}{reason}"


def _view(job: "Job", output: Output) -> "JobView | nullcontext[None]":
    if not output.is_terminal:
        return nullcontext()
    from dioptra_ray.cli.job_view import JobView  # noqa: PLC0415 - rich is slow to load

    return JobView(replace(job.record, steps=job.steps), stderr=output.is_json)
