"""Processes that are killed, or do not run for a while."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.chaos.bed import LEASE_SECONDS, Bed
from tests.chaos.invariants import check
from tests.chaos.load import submit


def wait_a_little(bed: Bed, longest: float = 0.8) -> None:
    """Let chance say when something happens."""
    time.sleep(bed.chance.uniform(0.0, longest))


def begun(bed: Bed, job: int, step: str) -> int:
    """The process of a step, once it has begun."""

    def find() -> list[list[str]]:
        return [line for line in bed.steps() if line[1].startswith(f"{job}-") and line[2] == step]

    bed.until(lambda: bool(find()), f"step {step} of job {job} begins")
    return int(find()[-1][3])


def test_a_killed_controller(bed: Bed, database_url: str, tmp_path: Path) -> None:
    load = submit(bed.client, bed.chance, bed.ledger)
    for _ in range(2):
        wait_a_little(bed)
        bed.kill(bed.controller)
        wait_a_little(bed)
        bed.start_controller()
    check(bed, database_url, load, tmp_path)


def test_a_killed_process_of_a_step(bed: Bed, database_url: str, tmp_path: Path) -> None:
    load = submit(bed.client, bed.chance, bed.ledger, seconds=1.0)
    for job in load.jobs:
        if job.entrypoint == "chaos_chain":
            os.kill(begun(bed, job.id, "second"), signal.SIGKILL)
    check(bed, database_url, load, tmp_path)


@pytest.mark.long
def test_the_killed_sink_of_all_stages(bed: Bed, database_url: str, tmp_path: Path) -> None:
    load = submit(bed.client, bed.chance, bed.ledger, seconds=1.0)
    wait_a_little(bed)
    sinks = [pid for pid, (_, line) in bed.processes().items() if line.startswith("ray::Sink")]
    assert sinks, bed.processes()
    os.kill(sinks[0], signal.SIGKILL)
    check(bed, database_url, load, tmp_path)


# Not in the short form while, after other scenarios, a process of its Ray may outlive it.
@pytest.mark.long
def test_a_killed_runner(bed: Bed, database_url: str, tmp_path: Path) -> None:
    load = submit(bed.client, bed.chance, bed.ledger, seconds=1.0)
    wait_a_little(bed)
    bed.kill(bed.runner)
    bed.start_runner()
    check(bed, database_url, load, tmp_path, runner_died=True)


@pytest.mark.long
def test_a_controller_that_stood_still(bed: Bed, database_url: str, tmp_path: Path) -> None:
    load = submit(bed.client, bed.chance, bed.ledger, seconds=1.0)
    chain = next(job for job in load.jobs if job.entrypoint == "chaos_chain")
    begun(bed, chain.id, "first")
    with bed.stalled(bed.controller):
        time.sleep(LEASE_SECONDS + 1)
    check(bed, database_url, load, tmp_path)
    # The runner was never away: only the controller could not hear it.
    assert not [line for line in bed.steps() if line[1].startswith(f"{chain.id}-2-")]


@pytest.mark.long
def test_a_killed_raylet(bed: Bed, database_url: str, tmp_path: Path) -> None:
    load = submit(bed.client, bed.chance, bed.ledger, seconds=1.0)
    wait_a_little(bed)
    raylets = [pid for pid, (_, line) in bed.processes().items() if "/raylet/raylet " in line]
    assert len(raylets) == 1, bed.processes()
    os.kill(raylets[0], signal.SIGKILL)
    # A runner that has lost its Ray is of no use, and must not keep what it holds.
    bed.until(lambda: bed.runner.poll() is not None, "the runner has ended", 40)
    bed.start_runner()
    check(bed, database_url, load, tmp_path, runner_died=True)
