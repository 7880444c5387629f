"""`dioptra-ray sweep`: many jobs over a space of parameters."""

import csv
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dioptra_ray.cli.assignments import (
    find_artifacts,
    parse_assignments,
    with_assignments,
)
from dioptra_ray.cli.exits import CANCELLED, FAILED
from dioptra_ray.cli.follow import coloured, say_how_to_return
from dioptra_ray.cli.output import Output, between, cell, seconds, with_output
from dioptra_ray.cli.space import add_swaps, parse_space
from dioptra_ray.cli.submission import Submission, with_submission
from dioptra_ray.cli.target import WATCH_PATIENCE, Target, with_target
from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.wire.sweeps import SweepProgress, SweepRecord, TrialResult
from dioptra_ray.wire.values import TextValue

if TYPE_CHECKING:
    from dioptra_ray.client import Client, Sweep


@click.group()
def sweep() -> None:
    """Sweeps: many jobs over a space of parameters."""


@sweep.command()
@click.argument("entrypoint")
@click.option(
    "--param",
    "space",
    metavar="NAME=VALUES",
    multiple=True,
    help="Values that vary: eps=0,0.1,0.2 or a range with its end, eps=0:0.3:0.05.",
)
@click.option(
    "--swap",
    "swaps",
    metavar="NAME=ALIASES",
    multiple=True,
    help="The alternative of a step with a swap; several, attack=fgsm,pgd, are a dimension.",
)
@with_assignments
@with_submission
@click.option("--watch", "-w", is_flag=True, help="Watch it to its end.")
@with_target
@with_output
def submit(  # noqa: PLR0913 - one argument an option
    *,
    entrypoint: str,
    space: tuple[str, ...],
    swaps: tuple[str, ...],
    parameters: dict[str, str],
    artifacts: dict[str, str],
    submission: Submission,
    watch: bool,
    target: Target,
    output: Output,
) -> int:
    """Submit every combination of the values that vary."""
    texts, chosen = add_swaps(parse_space(space), parse_assignments(swaps, "--swap"))
    if not texts:
        raise click.UsageError("Nothing varies: give --param, or --swap with several aliases.")
    for name, values in texts.items():
        if twice := sorted({value for value in values if values.count(value) > 1}):
            output.note(
                f"Warning: {name} has {', '.join(twice)} more than once; every combination with "
                "it is run as often"
            )
    dimensions = {name: list(map(TextValue, values)) for name, values in texts.items()}
    with target.connect(patience=WATCH_PATIENCE if watch else None) as client:
        submitted = client.sweeps.submit(
            entrypoint,
            dimensions,
            {name: TextValue(text) for name, text in parameters.items()},
            find_artifacts(client, artifacts),
            swaps=chosen,
            **submission.arguments(),
        )
        if watch:
            output.note(f"sweep {submitted.id} of {submitted.size} trials")
            return _watch_to_end(submitted, target, output)
    if output.is_json:
        output.json(submitted.record)
    else:
        output.line(f"sweep {submitted.id} of {submitted.size} trials {submitted.status}")
    return 0


@sweep.command("list")
@click.option("--limit", type=click.IntRange(1), default=50, help="At most this many.")
@with_target
@with_output
def list_sweeps(limit: int, target: Target, output: Output) -> None:
    """List sweeps, newest first."""
    with target.connect() as client:
        records = [one.record for one in client.sweeps.list(limit=limit)]
    if output.is_json:
        output.json(records)
        return
    rows = [
        (
            one.id,
            one.status,
            one.entrypoint,
            one.size,
            one.started,
            one.finished,
            one.failed,
            one.cancelled,
            one.created,
        )
        for one in records
    ]
    columns = ["sweep", "status", "entrypoint", "trials", "running", "finished", "failed"]
    output.table([*columns, "cancelled", "created"], rows)


@sweep.command()
@click.argument("sweep_id", metavar="SWEEP", type=int)
@with_target
@with_output
def show(sweep_id: int, target: Target, output: Output) -> None:
    """Show a sweep and how many of its trials are in which state."""
    with target.connect() as client:
        record = client.sweeps.get(sweep_id).record
    if output.is_json:
        output.json(record)
    else:
        _show_record(record, output)


@sweep.command("watch")
@click.argument("sweep_id", metavar="SWEEP", type=int)
@with_target
@with_output
def watch_sweep(sweep_id: int, target: Target, output: Output) -> int:
    """Watch a sweep to its end; exit 0 only if every trial finishes."""
    with target.connect(patience=WATCH_PATIENCE) as client:
        return _watch_to_end(client.sweeps.get(sweep_id), target, output)


@sweep.command()
@click.argument("sweep_id", metavar="SWEEP", type=int)
@click.option(
    "--csv", "csv_file", type=click.Path(path_type=Path), help="Write a CSV file; - is stdout."
)
@with_target
@with_output
def results(sweep_id: int, csv_file: Path | None, target: Target, output: Output) -> None:
    """Print one row a trial: its parameters, metrics, duration and error."""
    with target.connect() as client:
        trials, columns = _read_results(client, sweep_id)
    rows = list(zip(*columns.values(), strict=True))
    if csv_file is not None:
        _write_csv(csv_file, list(columns), rows)
    elif output.is_json:
        output.json(trials)
    else:
        output.table(list(columns), rows)


@sweep.command()
@click.argument("sweep_id", metavar="SWEEP", type=int)
@click.option("-x", "x", required=True, help="The column along the axis.")
@click.option("-y", "y", required=True, help="The metric to plot.")
@click.option("--by", help="A column with one line for each of its values.")
@click.option(
    "-o", "--output-file", type=click.Path(path_type=Path, dir_okay=False), default="sweep.png"
)
@with_target
@with_output
def plot(  # noqa: PLR0913 - one argument an option
    *,
    sweep_id: int,
    x: str,
    y: str,
    by: str | None,
    output_file: Path,
    target: Target,
    output: Output,
) -> None:
    """Draw a metric over a parameter as a PNG."""
    from dioptra_ray.cli.chart import draw_lines  # noqa: PLC0415 - matplotlib is slow to load

    with target.connect() as client:
        _, columns = _read_results(client, sweep_id)
    for name in (x, y, by):
        if name is not None and name not in columns:
            raise InvalidRequestError(
                f"sweep {sweep_id} has no column {name!r}: use one of {', '.join(columns)}"
            )
    draw_lines(columns, x=x, y=y, by=by, file=output_file)
    if output.is_json:
        output.json({"file": output_file})
    else:
        output.line(str(output_file))


@sweep.command()
@click.argument("sweep_id", metavar="SWEEP", type=int)
@with_target
@with_output
def cancel(sweep_id: int, target: Target, output: Output) -> None:
    """Stop what runs of a sweep, and make no further trials."""
    with target.connect() as client:
        record = client.sweeps.cancel(sweep_id).record
    if output.is_json:
        output.json(record)
    else:
        ending = record.status if record.is_final else "is being stopped"
        output.line(f"sweep {sweep_id} {ending}")


def _read_results(
    client: "Client", sweep_id: int
) -> tuple[tuple[TrialResult, ...], dict[str, list[Any]]]:
    from dioptra_ray.client.results import to_columns  # noqa: PLC0415 - grpc is slow to load

    found = client.sweeps.get(sweep_id)
    trials = found.trials()
    return trials, to_columns(trials, found.record.dimensions)


def _watch_to_end(found: "Sweep", target: Target, output: Output) -> int:
    try:
        if output.is_terminal:
            _watch_on_terminal(found, output)
        else:
            for progress in found.watch():
                _show_progress(progress, output)
    except KeyboardInterrupt:
        say_how_to_return("sweep", found.id, target, output)
        return CANCELLED
    record = found.refresh().record
    if output.is_json:
        output.json(record)
    else:
        took = seconds(between(record.created, record.ended))
        output.line(f"sweep {record.id} {coloured(record.status)} after {took}: {_counts(record)}")
    return 0 if record.finished == record.size else FAILED


def _watch_on_terminal(found: "Sweep", output: Output) -> None:
    from dioptra_ray.cli.terminal import trial_progress  # noqa: PLC0415 - rich is slow to load

    with trial_progress(stderr=output.is_json) as bar:
        task = bar.add_task(f"sweep {found.id}", total=found.size, counts="")
        for progress in found.watch():
            for trial in progress.ended:
                if trial.status == "failed":
                    bar.console.print(_trial_line(trial), markup=False, highlight=False)
            counts = _counts(progress.sweep)
            bar.update(task, completed=progress.sweep.done, counts=counts)


def _show_progress(progress: SweepProgress, output: Output) -> None:
    for trial in progress.ended:
        output.line(f"{_trial_line(trial)}  [{progress.sweep.done}/{progress.sweep.size}]")


def _trial_line(trial: TrialResult) -> str:
    # As in tables: what was chosen keeps its name.
    said: dict[str, Any] = dict(trial.parameters)
    for name, value in trial.metrics.items():
        said[f"metrics.{name}" if name in said else name] = value
    values = " ".join(f"{name}={cell(value)}" for name, value in said.items())
    error = f" {trial.error}" if trial.error else ""
    took = seconds(trial.duration)
    return f"trial {trial.trial} (job {trial.job}) {trial.status} in {took}: {values}{error}"


def _counts(record: SweepRecord) -> str:
    states = ("queued", "started", "finished", "failed", "cancelled")
    counts = {state: getattr(record, state) for state in states}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def _show_record(record: SweepRecord, output: Output) -> None:
    data = asdict(record)
    data["status"] = coloured(record.status)
    data["entrypoint"] = f"{record.entrypoint} (snapshot {data.pop('entrypoint_snapshot')})"
    data["dimensions"] = ", ".join(record.dimensions)
    data["swaps"] = record.swaps or None
    data["trials"] = data.pop("size")
    output.fields({"sweep": data.pop("id"), **data})


def _write_csv(file: Path, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    is_stdout = str(file) == "-"
    target = nullcontext(sys.stdout) if is_stdout else file.open("w", newline="", encoding="utf-8")
    with target as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
