"""`dioptra-ray job`: submitting, watching and stopping jobs."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dioptra_ray.cli.assignments import find_artifacts, with_assignments, with_swaps
from dioptra_ray.cli.follow import (
    coloured,
    follow_to_end,
    last_metrics,
    log_line,
    record_data,
    show_failure,
    stored,
    stream_to_end,
)
from dioptra_ray.cli.output import Output, between, seconds, with_output
from dioptra_ray.cli.steps import show_steps
from dioptra_ray.cli.submission import Submission, with_submission
from dioptra_ray.cli.target import WATCH_PATIENCE, Target, with_target
from dioptra_ray.cli.wording import place
from dioptra_ray.errors import InvalidRequestError, NotFoundError
from dioptra_ray.language.suggestions import did_you_mean
from dioptra_ray.wire.jobs import JobRecord, LogRecord
from dioptra_ray.wire.values import TextValue

if TYPE_CHECKING:
    from dioptra_ray.client import Client, Job

STATES = ("queued", "started", "finished", "failed", "cancelled")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@click.group()
def job() -> None:
    """Jobs: one run of an entrypoint each."""


@job.command()
@click.argument("entrypoint")
@with_assignments
@with_swaps
@with_submission
@click.option("--watch", "-w", is_flag=True, help="Watch it to its end.")
@with_target
@with_output
def submit(  # noqa: PLR0913 - one argument an option
    *,
    entrypoint: str,
    parameters: dict[str, str],
    artifacts: dict[str, str],
    swaps: dict[str, str],
    submission: Submission,
    watch: bool,
    target: Target,
    output: Output,
) -> int:
    """Queue a job."""
    with target.connect(patience=WATCH_PATIENCE if watch else None) as client:
        submitted = client.jobs.submit(
            entrypoint,
            {name: TextValue(text) for name, text in parameters.items()},
            find_artifacts(client, artifacts),
            swaps=swaps,
            **submission.arguments(),
        )
        if watch:
            output.note(f"job {submitted.id} queued")
            return follow_to_end(client, submitted, target, output)
    if output.is_json:
        output.json(record_data(submitted.record))
    else:
        output.line(f"job {submitted.id} {submitted.status}")
    return 0


@job.command("list")
@click.option("--status", type=click.Choice(STATES), help="Only jobs in this state.")
@click.option("--experiment", default="", help="Only jobs of this experiment.")
@click.option("--entrypoint", default="", help="Only jobs of this entrypoint.")
@click.option("--sweep", type=int, default=0, help="Only trials of this sweep.")
@click.option("--limit", type=click.IntRange(1), default=50, help="At most this many.")
@with_target
@with_output
def list_jobs(target: Target, output: Output, limit: int, **query: Any) -> None:
    """List jobs, newest first."""
    with target.connect() as client:
        jobs = client.jobs.list(**{**query, "limit": limit + 1})
        if not jobs:
            _check_known(client, query)
    jobs, has_more = jobs[:limit], len(jobs) > limit
    if output.is_json:
        output.json([record_data(one.record) for one in jobs])
        return
    rows = [
        (
            one.id,
            one.status,
            one.entrypoint,
            one.record.experiment,
            one.record.queue,
            one.record.created,
            seconds(between(one.record.started, one.record.ended)),
            one.record.reason or (one.failure.message.partition("\n")[0] if one.failure else ""),
        )
        for one in jobs
    ]
    columns = ["job", "status", "entrypoint", "experiment", "queue", "created", "took", "why"]
    output.table(columns, rows)
    if has_more:
        output.note(f"There are more: these are the newest {limit}; --limit shows others.")


def _check_known(client: "Client", query: dict[str, Any]) -> None:
    """That nothing was found may mean that there is no such thing to look for.

    Raises:
        NotFoundError: There is none.
    """
    if query["experiment"]:
        client.experiments.get(query["experiment"])
    if query["entrypoint"]:
        client.entrypoints.get(query["entrypoint"])
    if query["sweep"]:
        client.sweeps.get(query["sweep"])


@job.command()
@click.argument("job_id", metavar="JOB", type=int)
@with_target
@with_output
def show(job_id: int, target: Target, output: Output) -> None:
    """Show a job: its steps, why it failed, its metrics and artifacts."""
    with target.connect() as client:
        found = client.jobs.get(job_id)
        record, metrics, artifacts = found.record, last_metrics(found), stored(found)
    if output.is_json:
        output.json({**record_data(record), "metrics": metrics, "artifacts": artifacts})
        return
    _show_record(record, output)
    if record.failure:
        output.line("failure")
        show_failure(record, output)
    output.line()
    show_steps(list(record.steps.values()), output)
    if metrics:
        output.line()
        output.table(["metric", "last value"], list(metrics.items()))
    if artifacts:
        output.line()
        listed = [
            (one["id"], one["name"], one["size"], place(str(one["uri"]))) for one in artifacts
        ]
        output.table(["id", "name", "size", "stored at"], listed)


@job.command("watch")
@click.argument("job_id", metavar="JOB", type=int)
@with_target
@with_output
def watch_job(job_id: int, target: Target, output: Output) -> int:
    """Watch a job to its end; exit 0 only if it finishes. Ctrl-C leaves it running.

    On a terminal its graph is drawn as it is now, below what it says; as JSON, each event
    and each line that it says is a line.
    """
    watch = stream_to_end if output.is_json else follow_to_end
    with target.connect(patience=WATCH_PATIENCE) as client:
        return watch(client, client.jobs.get(job_id), target, output)


@job.command()
@click.argument("job_id", metavar="JOB", type=int)
@click.option("--step", default="", help="Only what this step has said.")
@click.option(
    "--level",
    type=click.Choice(LEVELS, case_sensitive=False),
    help="Only this level and above.",
)
@click.option("--follow", "-f", is_flag=True, help="Go on until the job has ended.")
@with_target
@with_output
def logs(  # noqa: PLR0913 - one argument an option
    *, job_id: int, step: str, level: str | None, follow: bool, target: Target, output: Output
) -> None:
    """Print what a job has said, in order; as JSON, one record a line."""
    with target.connect(patience=WATCH_PATIENCE if follow else None) as client:
        if step:
            _check_step(client.jobs.get(job_id), step)
        records: Iterable[LogRecord] = (
            client.jobs.watch_logs(job_id)
            if follow
            else client.jobs.logs(job_id, step=step, level=level or "")
        )
        for record in records:
            if follow and not _is_wanted(record, step, level):
                continue
            if output.is_json:
                output.json_line(record)
            else:
                output.line(log_line(record))


@job.command()
@click.argument("job_id", metavar="JOB", type=int)
@click.option("--name", default="", help="Only this metric.")
@with_target
@with_output
def metrics(job_id: int, name: str, target: Target, output: Output) -> None:
    """Print the metrics of a job as series by step."""
    with target.connect() as client:
        series = client.jobs.metrics(job_id, name=name)
    points = [point for one in series.values() for point in one]
    if output.is_json:
        output.json({one.name: list(one.points) for one in series.values()})
    else:
        rows = [(one.name, one.step, one.value, one.graph_step, one.time) for one in points]
        output.table(["metric", "step", "value", "graph step", "time"], rows)


@job.command()
@click.argument("job_id", metavar="JOB", type=int)
@click.option(
    "--out",
    "-o",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write it to this file instead of printing it.",
)
@with_target
@with_output
def timeline(job_id: int, out: Path | None, target: Target, output: Output) -> None:
    """Show what ran where and when, as a trace that Perfetto (ui.perfetto.dev) opens."""
    with target.connect() as client:
        trace = client.jobs.timeline(job_id)
    text = json.dumps(trace, ensure_ascii=False, allow_nan=False, indent=1)
    if out is None:
        click.echo(text)
        return
    try:
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidRequestError(f"cannot write {out}: {error.strerror}") from error
    if output.is_json:
        output.json({"file": out, "events": len(trace["traceEvents"])})
    else:
        output.line(f"{out} written: open it at https://ui.perfetto.dev")


@job.command()
@click.argument("job_id", metavar="JOB", type=int)
@with_target
@with_output
def cancel(job_id: int, target: Target, output: Output) -> None:
    """Ask a job to stop."""
    with target.connect() as client:
        asked = client.jobs.cancel(job_id)
    if output.is_json:
        output.json(record_data(asked.record))
    elif asked.record.is_final:
        output.line(f"job {job_id} {asked.status}")
    else:
        output.line(f"job {job_id} is being stopped")


@job.command()
@click.argument("job_id", metavar="JOB", type=int)
@click.option(
    "--from-failed",
    is_flag=True,
    help="Run only what had not finished, and reuse the outputs that the failed job has kept.",
)
@with_target
@with_output
def retry(job_id: int, from_failed: bool, target: Target, output: Output) -> None:
    """Queue a new job with the same entrypoint snapshot, parameters, swaps and artifacts."""
    with target.connect() as client:
        again = client.jobs.retry(job_id, from_failed=from_failed)
    if output.is_json:
        output.json(record_data(again.record))
        return
    output.line(f"job {again.id} {again.status}, a retry of job {job_id}")
    if again.record.reused_stages:
        output.note(f"Not run again: stages {', '.join(again.record.reused_stages)}.")


def _check_step(found: "Job", step: str) -> None:
    names = list(found.steps)
    if step not in names:
        raise NotFoundError(
            f"job {found.id} has no step {step!r}.{did_you_mean(step, names)} "
            f"It has: {', '.join(names)}."
        )


def _is_wanted(record: LogRecord, step: str, level: str | None) -> bool:
    if step and record.step != step:
        return False
    return level is None or record.level not in LEVELS or _rank(record.level) >= _rank(level)


def _rank(level: str) -> int:
    return LEVELS.index(level)


def _show_record(record: JobRecord, output: Output) -> None:
    trial = f"{record.trial} of sweep {record.sweep}" if record.sweep else None
    output.fields(
        {
            "job": record.id,
            "status": coloured(record.status),
            "why": record.reason,
            "entrypoint": f"{record.entrypoint} (snapshot {record.entrypoint_snapshot})",
            "experiment": record.experiment,
            "queue": record.queue,
            "description": record.description,
            "trial": trial,
            "deleted since": ", ".join(record.deleted) or None,
            "retry of": record.retry_of,
            "reused stages": ", ".join(record.reused_stages) or None,
            "kept for a retry": ", ".join(record.saved_stages) or None,
            "attempt": record.attempt or None,
            "parameters": record.parameters or None,
            "swaps": record.swaps or None,
            "artifact inputs": record.artifact_inputs or None,
            "created": record.created,
            "started": record.started,
            "ended": record.ended,
        }
    )
