"""Queues with environments and limits, on a deployment that was up before they were made."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.conftest import PLUGINS, Cli

WITH = ("--plugins", PLUGINS)


def wait_for(what: Callable[[], object]) -> None:
    give_up = time.monotonic() + 60
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def newest(cli: Cli) -> dict:
    return cli.json("job", "list", "--limit", 1)[0]


def test_plugins_see_the_variables_of_a_queue_made_after_up(cli: Cli, describe) -> None:
    path = describe("coloured", "graph:\n  look: {environ: COLOUR}\n")
    cli.ok("queue", "create", "coloured", "--env", "COLOUR=blue")
    cli.ok("run", path, *WITH, "--queue", "coloured")
    job = newest(cli)
    assert job["queue"] == "coloured"
    assert "COLOUR is blue" in cli.ok("job", "logs", job["id"])
    assert "updated" in cli.ok("queue", "update", "coloured", "--env", "COLOUR=red")
    cli.ok("run", path, *WITH, "--queue", "coloured")
    assert "COLOUR is red" in cli.ok("job", "logs", newest(cli)["id"])
    cli.ok("run", path, *WITH)
    assert "COLOUR is not set" in cli.ok("job", "logs", newest(cli)["id"])
    shown = cli.ok("queue", "show", "coloured")
    assert '"COLOUR": "red"' in shown
    assert "embedded" in shown
    assert "env_vars" in cli.ok("queue", "diff", "coloured")
    planned = cli.ok("plan", path, *WITH, "--queue", "coloured")
    assert 'runtime_env {"env_vars":{"COLOUR":"red"}}' in planned


def test_a_limit_of_one_lets_jobs_run_one_after_the_other(
    cli: Cli, describe, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    path = describe("serial", f"graph:\n  wait: {{wait_for: {gate}}}\n")
    cli.ok("queue", "create", "narrow", "--max-started-jobs", 1)
    before = newest(cli)["id"]
    runs = [cli.start("run", path, *WITH, "--queue", "narrow") for _ in range(2)]
    wait_for(lambda: newest(cli)["id"] == before + 2)
    first, second = before + 1, before + 2
    wait_for(lambda: cli.json("job", "show", first)["status"] == "started")
    waiting = cli.json("job", "show", second)
    assert waiting["status"] == "queued"
    assert waiting["reason"] == "queue narrow runs 1 of at most 1 job"
    assert waiting["reason"] in cli.ok("job", "show", second)
    gate.touch()
    for run in runs:
        output, _ = run.communicate(timeout=120)
        assert run.returncode == 0, output
    one, other = (cli.json("job", "show", job) for job in (first, second))
    assert one["ended"] <= other["started"]


def test_a_job_that_no_node_can_run_says_so_and_can_be_cancelled(cli: Cli, describe) -> None:
    path = describe("gpu", "graph:\n  look: {environ: COLOUR}\n")
    cli.ok("queue", "create", "gpu", "--num-gpus", 1)
    run = cli.start("run", path, *WITH, "--queue", "gpu")
    wait_for(lambda: newest(cli)["queue"] == "gpu" and newest(cli)["reason"])
    job = newest(cli)
    assert job["status"] == "started"
    assert "waits for GPU=1; no node has it" in job["reason"]
    shown = cli.ok("job", "show", job["id"])
    assert "waits for GPU=1; no node has it" in shown
    cli.ok("job", "cancel", job["id"])
    output, _ = run.communicate(timeout=120)
    assert run.returncode != 0
    assert "waits for GPU=1" in output
    ended = cli.json("job", "show", job["id"])
    assert (ended["status"], ended["reason"]) == ("cancelled", "")
