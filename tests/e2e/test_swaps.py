"""Swaps as a person meets them: chosen for one job, and varied by a sweep, on a real Ray."""

import csv
from pathlib import Path

from tests.e2e.conftest import PLUGINS, Cli

WITH = ("--plugins", PLUGINS)
GRAPH = """
graph:
  given:
    ?kind:
      ?outputs: [it]
      same: {ident: from ident}
      spoken: {speak: [[0.25, 0.5]]}
  end: {ident: $given.it}
"""
WRONG = """
graph:
  start: {ident: 1}
  other: {nothing: $start}
  short: {meet: [$other, a]}
  lost: {ident: $nowhere}
  self: {ident: $self}
"""


def test_a_job_runs_what_was_chosen(cli: Cli, describe) -> None:
    path = describe("chosen", GRAPH)
    missing = cli.run("run", path, *WITH)
    assert missing.returncode == 1
    assert "same, spoken" in missing.stderr
    cli.ok("run", path, *WITH, "--swap", "kind=spoken")
    job = cli.json("job", "list")[0]
    assert (job["entrypoint"], job["swaps"]) == ("chosen", {"kind": "spoken"})
    assert "spoken" in cli.ok("job", "show", job["id"])
    assert cli.json("job", "metrics", job["id"])
    cli.ok("job", "submit", "chosen", "--swap", "kind=same", "--watch")
    other = cli.json("job", "list")[0]
    assert other["swaps"] == {"kind": "same"}
    assert not cli.json("job", "metrics", other["id"])
    again = cli.json("job", "retry", job["id"])
    assert again["swaps"] == {"kind": "spoken"}
    assert "same, spoken" in cli.ok("entrypoint", "show", "chosen")


def test_a_sweep_over_alternatives(cli: Cli, describe, tmp_path: Path) -> None:
    cli.ok("run", describe("varied", GRAPH), *WITH, "--swap", "kind=same")
    cli.ok("sweep", "submit", "varied", "--swap", "kind=same,spoken", "--watch")
    found = cli.json("sweep", "list")[0]
    assert (found["finished"], found["dimensions"]) == (2, ["?kind"])
    file = tmp_path / "results.csv"
    cli.ok("sweep", "results", found["id"], "--csv", file)
    with file.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["?kind"] for row in rows] == ["same", "spoken"]
    assert [bool(row["loss"]) for row in rows] == [False, True]


def test_a_wrong_entrypoint_is_refused_with_every_problem(cli: Cli, describe) -> None:
    path = describe("wrong", WRONG)
    for command in (("run", path, *WITH), ("entrypoint", "create", "wrong", path)):
        refused = cli.run(*command)
        assert refused.returncode == 1
        said = refused.stdout + refused.stderr
        for part in ("nothing", "other", "nowhere", "wait for each other"):
            assert part in said, command
        lines = path.read_text().splitlines()
        for step in ("other", "short", "lost", "self"):
            number = 1 + next(n for n, line in enumerate(lines) if line.startswith(f"  {step}:"))
            assert f":{number}:" in said, (command, step)
