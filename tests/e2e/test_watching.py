"""What a person sees of a running job: its graph, what it says, and when it ran where."""

import json
import os
import pty
import re
import select
import subprocess
from pathlib import Path

from tests.e2e.conftest import COMMAND, PLUGINS, Cli
from tests.unit.client.test_timeline import check_format

WITH = ("--plugins", PLUGINS)
GATED = """
parameters: {{gate: {gate}}}
graph:
  talk: {{speak: [[0.5]]}}
  wait: {{wait_for: $gate, dependencies: [talk]}}
  report: {{ident: $wait}}
"""
STYLES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def newest(cli: Cli) -> int:
    return cli.json("job", "list")[0]["id"]  # type: ignore[index]


def watched(cli: Cli, job: int, gate: Path) -> str:
    """All that `job watch` writes to a terminal; the gate opens when it shows the step."""
    ours, theirs = pty.openpty()
    command = [COMMAND, "job", "watch", str(job)]
    environment = {**cli.environment, "TERM": "xterm-256color", "LINES": "30"}
    with subprocess.Popen(command, env=environment, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        written = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                content = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            written += content
            if "◐" in written.decode(errors="replace"):
                gate.touch()
        assert process.wait(60) == 0
    os.close(ours)
    return STYLES.sub("", written.decode())


def submit_gated(cli: Cli, describe, gate: Path) -> int:
    """A job that goes on only when the gate is there."""
    gate.touch()
    cli.ok("run", describe("gated", GATED.format(gate=gate)), *WITH)
    gate.unlink()
    return cli.json("job", "submit", "gated")["id"]  # type: ignore[index]


def test_a_terminal_shows_the_graph_as_it_changes(cli: Cli, describe, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    job = submit_gated(cli, describe, gate)
    text = watched(cli, job, gate)
    assert re.search(r"talk \| printed line", text)
    lines = [re.sub(" +", " ", line.strip()) for line in text.splitlines()]
    assert any(re.match(r"◐ wait \S+ running [\d.]+m?s \S+:\d+", line) for line in lines)
    # The last frame stays, and after it how the job has ended.
    last = max(n for n, line in enumerate(lines) if line.startswith(f"job {job} finished 3/3"))
    assert [line.split()[:2] for line in lines[last + 1 : last + 4]] == [
        ["●", "talk"],
        ["●", "wait"],
        ["●", "report"],
    ]
    assert f"job {job} finished after" in "\n".join(lines[last:])


def test_logs_are_followed_while_the_step_runs(cli: Cli, describe, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    job = submit_gated(cli, describe, gate)
    said = []
    with cli.start(
        "job", "logs", job, "--follow", "--step", "talk", "--format", "json"
    ) as follower:
        assert follower.stdout is not None
        for line in follower.stdout:
            said.append(json.loads(line)["message"])
            # The job goes on only when this has come.
            if said[-1] == "printed line":
                gate.touch()
    assert follower.returncode == 0
    assert "printed line" in said


def test_events_for_a_script_are_lines(cli: Cli, describe) -> None:
    cli.ok("run", describe("quick", "graph:\n  a: {speak: [[0.5]]}\n  b: {ident: $a}\n"), *WITH)
    lines = cli.ok("job", "watch", newest(cli), "--format", "json").splitlines()
    events = [json.loads(line) for line in lines]
    assert {event["event"] for event in events} == {"job", "step", "metric", "log"}
    told = [(e["step"]["name"], e["step"]["status"]) for e in events if e["event"] == "step"]
    assert told == [("a", "running"), ("a", "finished"), ("b", "running"), ("b", "finished")]
    sequences = [event["sequence"] for event in events if event["event"] != "log"]
    assert sorted(sequences) == list(range(1, len(sequences) + 1))
    (last,) = [e for e in events if e["event"] == "job" and e["job"]["status"] == "finished"]
    assert [step["after"] for step in last["job"]["steps"]] == [[], ["a"]]


def test_the_timeline_of_a_real_job_is_a_valid_trace(cli: Cli, describe, tmp_path: Path) -> None:
    graph = "graph:\n  a: {speak: [[0.5]]}\n  b: {ident: $a}\n  c: {fail: [no], dependencies: b}\n"
    cli.run("run", describe("traced", graph), *WITH)
    out = tmp_path / "trace.json"
    cli.ok("job", "timeline", newest(cli), "-o", out)
    trace = json.loads(out.read_text())
    check_format(trace)
    steps = [event for event in trace["traceEvents"] if event.get("cat") == "step"]
    assert [(one["name"], one["args"]["state"]) for one in steps] == [
        ("a", "finished"),
        ("b", "finished"),
        ("c", "failed"),
    ]
    assert steps[2]["args"]["exit_reason"] == "raised ValueError"
    assert all(one["args"]["peak_memory_bytes"] > 0 for one in steps)
    assert sum(event["ph"] == "f" for event in trace["traceEvents"]) == 2


def test_status_lists_the_nodes(cli: Cli) -> None:
    (runner,) = cli.json("status")["cluster"]["runners"]  # type: ignore[index]
    (node,) = runner["nodes"]
    assert node["resources"]["CPU"] == runner["resources"]["CPU"]
    assert node["address"] in cli.ok("status")
