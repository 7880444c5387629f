"""The digits robustness study, end to end on this machine: what `make demo` runs.

Starts an embedded deployment of its own, registers the plugins and entrypoints of this
folder, trains a network, attacks it with FGSM and PGD over a range of strengths as one
sweep, and leaves a table and a figure in `out/`. Whatever happens, it stops what it started.
"""

import hashlib
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dioptra_ray.cli.wording import place
from dioptra_ray.client import Client, Job, Sweep
from dioptra_ray.embedded import down, up
from dioptra_ray.embedded.launch import Options
from dioptra_ray.errors import DioptraError, InvalidDescriptionError

if TYPE_CHECKING:
    import pandas as pd

PROJECT = Path(__file__).resolve().parent
REPOSITORY = PROJECT.parents[1]
STATE = REPOSITORY / "build" / "demo"
OUT = REPOSITORY / "out"

EPOCHS = 15
ATTACKS = {"fgsm": "FGSM, one step", "pgd": "PGD, 20 steps"}
STRENGTHS = [0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25]

console = Console(highlight=False)


class DemoError(Exception):
    """The study could not be completed; the message says why."""


@click.command()
@click.option("--store-url", default="", help="Where artifacts go, such as s3://bucket/prefix.")
def main(store_url: str) -> None:
    """Run the digits robustness study on this machine."""
    # A polite kill must stop the deployment just as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    began = time.monotonic()
    try:
        state = state_for(store_url)
        with deployment(state, store_url), Client(state_dir=state) as client:
            study(client, state)
    except InvalidDescriptionError as error:
        for issue in error.issues:
            console.print(f"{issue.file}:{issue.line}: {issue.message}", markup=False)
        sys.exit(1)
    except (DemoError, DioptraError) as error:
        console.print(f"[red]{escape(str(error))}")
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("Stopped.")
        sys.exit(128 + signal.SIGINT)
    console.print(f"Done in {time.monotonic() - began:.0f} s.")


def state_for(store_url: str) -> Path:
    """The state directory for a store: what is registered belongs to the store it lies in."""
    if not store_url:
        return STATE
    return STATE.with_name(f"{STATE.name}-{hashlib.sha256(store_url.encode()).hexdigest()[:8]}")


@contextmanager
def deployment(state: Path, store_url: str) -> Iterator[None]:
    """An embedded deployment with its state in this repository, stopped at the end."""
    options = Options(store_url=store_url or (state / "artifacts").as_uri())
    try:
        with console.status("Starting the embedded deployment") as status:
            up(state, options=options, progress=lambda text: status.update(text.capitalize()))
        console.print(
            f"The embedded deployment is up; artifacts go to {place(options.store_url)}",
            soft_wrap=True,
            markup=False,
        )
        yield
    finally:
        with console.status("Stopping the embedded deployment"):
            down(state)


def study(client: Client, state: Path) -> None:
    """Train, attack, report."""
    imported = client.import_project(PROJECT)
    console.print(f"Imported {len(imported)} plugins, types and entrypoints")
    training = client.jobs.submit("train", {"epochs": EPOCHS}, description="digits demo")
    follow_training(training)
    sweep = client.sweeps.submit(
        "attack",
        {"attack": list(ATTACKS), "eps": STRENGTHS},
        artifacts={"trained_model": training.artifacts["model"]},
        description="digits demo",
    )
    follow_sweep(sweep)
    results = sweep.results()
    print_table(results)
    OUT.mkdir(exist_ok=True)
    results.to_csv(OUT / "results.csv", index=False)
    plot(results, OUT / "robustness.png")
    print_places(training, state)


def progress_bar() -> Progress:
    """A bar that names what it counts."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


def follow_training(job: Job) -> None:
    """Show the epochs of the training as they end."""
    with progress_bar() as progress:
        bar = progress.add_task(f"Training (job {job.id})", total=EPOCHS, note="")
        for event in job.watch():
            if event.metric is not None and event.metric.name == "test_accuracy":
                note = f"test accuracy {event.metric.value:.1%}"
                progress.update(bar, completed=event.metric.step, note=note)
    job.wait()
    if job.status != "finished":
        message = f"The training is {job.status}"
        if failure := job.failure:
            message += f" in step {failure.step!r}: {failure.error_type}: {failure.message}"
        raise DemoError(message)


def follow_sweep(sweep: Sweep) -> None:
    """Show the trials of the sweep as they end."""
    with progress_bar() as progress:
        bar = progress.add_task(f"Attacking (sweep {sweep.id})", total=sweep.size, note="")
        for state in sweep.watch():
            progress.update(bar, completed=state.sweep.done, note=f"{state.sweep.started} running")
        progress.update(bar, note="")
    failed = [trial for trial in sweep.trials() if trial.status != "finished"]
    if failed:
        first = failed[0]
        raise DemoError(
            f"{len(failed)} of {sweep.size} trials did not finish; "
            f"the first is job {first.job}: {first.error or first.status}"
        )


def print_table(results: "pd.DataFrame") -> None:
    """Robust accuracy by strength and attack."""
    table = Table(title="Robust accuracy")
    table.add_column("ε", justify="right")
    for name in ATTACKS.values():
        table.add_column(name, justify="right")
    robust = results.pivot_table(index="eps", columns="attack", values="robust_accuracy")
    table.add_row("0", *(f"{results['clean_accuracy'].mean():.1%}" for _ in ATTACKS))
    for eps, row in robust.iterrows():
        table.add_row(f"{eps:g}", *(f"{row[attack]:.1%}" for attack in ATTACKS))
    console.print(table)


def plot(results: "pd.DataFrame", path: Path) -> None:
    """Robust accuracy over the strength of the attack, one line an attack."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to load; nothing waits for it here
    from matplotlib.ticker import PercentFormatter  # noqa: PLC0415

    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.subplots()
    clean = results["clean_accuracy"].mean()
    for attack, marker in zip(ATTACKS, "os", strict=True):
        line = results[results["attack"] == attack].sort_values("eps")
        axes.plot(
            [0, *line["eps"]],
            [clean, *line["robust_accuracy"]],
            marker=marker,
            markersize=4.5,
            linewidth=1.6,
            label=ATTACKS[attack],
        )
    axes.axhline(0.1, color="0.5", linewidth=1, linestyle=":", label="guessing")
    axes.set(
        xlabel="perturbation budget $\\varepsilon$ ($L_\\infty$, pixel values in [0, 1])",
        ylabel="accuracy under attack",
        xlim=(0, max(STRENGTHS) * 1.02),
        ylim=(0, 1.02),
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=200)


def print_places(training: Job, state: Path) -> None:
    """Say what was written where, and how to get an artifact later."""
    console.print(f"Figure:    {_short(OUT / 'robustness.png')}", soft_wrap=True)
    console.print(f"Results:   {_short(OUT / 'results.csv')}", soft_wrap=True)
    console.print("Artifacts of the training:")
    for artifact in training.artifacts.values():
        console.print(f"  {artifact.id:>4}  {place(artifact.uri)}", soft_wrap=True, markup=False)
    model = training.artifacts["model"]
    command = _short(Path(sys.executable).with_name("dioptra-ray"))
    where = f"--state-dir {_short(state)}"
    console.print(
        "To get one, or to look at the jobs, start the deployment again:\n"
        f"  {command} up {where}\n"
        f"  {command} artifact get {model.id} {where}\n"
        f"  {command} down {where}",
        soft_wrap=True,
        markup=False,
    )


def _short(path: Path) -> str:
    working = Path.cwd()
    return str(path.relative_to(working) if path.is_relative_to(working) else path)


if __name__ == "__main__":
    main()
