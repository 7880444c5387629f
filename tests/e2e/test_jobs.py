"""What a person sees of jobs, through the CLI, on a real controller and a real Ray."""

import json
import math
import signal
import subprocess
import time
from pathlib import Path

from tests.e2e.conftest import PLUGINS, Cli

WITH = ("--plugins", PLUGINS)


def newest(cli: Cli) -> dict:
    return cli.json("job", "list")[0]


def test_a_failing_step_is_named_with_its_exception_and_line(cli: Cli, describe) -> None:
    path = describe("failing", "graph:\n  good: {ident: 1}\n  bad: {fail: [no luck]}\n")
    done = cli.run("run", path, *WITH)
    assert done.returncode == 1, done.stdout + done.stderr
    job = cli.json("job", "show", newest(cli)["id"])
    source = (PLUGINS / "probe" / "tasks.py").read_text().splitlines()
    line = 1 + next(n for n, text in enumerate(source) if "raise ValueError(message)" in text)
    assert job["status"] == "failed"
    assert job["failure"]["step"] == "bad"
    assert job["failure"]["error_type"] == "ValueError"
    assert job["failure"]["file"].endswith("probe/tasks.py")
    assert job["failure"]["line"] == line
    shown = cli.ok("job", "show", job["id"])
    for part in ("bad", "ValueError", "no luck", f"tasks.py:{line}"):
        assert part in shown
        assert part in done.stdout + done.stderr
    good = describe("fine", "graph:\n  good: {ident: 1}\n")
    cli.ok("run", good, *WITH)


def test_sys_exit_and_a_dying_process_fail_the_job(cli: Cli, describe) -> None:
    leave = cli.run("run", describe("leaves", "graph:\n  out: {leave: 3}\n"), *WITH)
    assert leave.returncode == 1
    assert newest(cli)["status"] == "failed"
    die = cli.run("run", describe("dies", "graph:\n  first: {ident: 1}\n  out: {die: 7}\n"), *WITH)
    assert die.returncode == 1
    job = cli.json("job", "show", newest(cli)["id"])
    assert job["status"] == "failed"
    assert job["failure"]["step"] == "out"
    assert "about to die" in cli.ok("job", "logs", job["id"])
    first, out = job["steps"]
    assert (first["exit_reason"], out["exit_reason"]) == ("", "exit code 7")
    assert (first["try_number"], first["after"]) == (1, [])
    assert first["peak_memory"] > 0
    shown = cli.ok("job", "show", job["id"])
    assert "exit code 7" in shown
    assert "MiB" in shown


def test_a_plugin_finds_no_credentials_of_the_controller(cli: Cli, describe) -> None:
    token = (cli.state / "token").read_text().strip()
    words = [token, "DIOPTRA_TOKEN_FILE", "DIOPTRA_KEY_FILE", "DIOPTRA_DATABASE_URL"]
    graph = f"graph:\n  look: {{look_for: [{json.dumps(words)}]}}\n"
    cli.ok("run", describe("looks", graph), *WITH)
    # It would have found them: what is there is seen.
    there = describe("sees", 'graph:\n  look: {look_for: [["PATH="]]}\n')
    assert cli.run("run", there, *WITH).returncode == 1


def test_what_a_step_says_comes_back_in_order(cli: Cli, describe) -> None:
    cli.ok("run", describe("speaks", "graph:\n  talk: {speak: [[0.5, 0.25]]}\n"), *WITH)
    job = newest(cli)["id"]
    records = [
        json.loads(line) for line in cli.ok("job", "logs", job, "--format", "json").splitlines()
    ]
    mine = [r for r in records if r["step"] == "talk" and "Running step" not in r["message"]]
    assert [(r["level"], r["logger"]) for r in mine] == [
        ("INFO", "stdout"),
        ("WARNING", "stderr"),
        ("INFO", "probe.tasks"),
        ("WARNING", "probe.tasks"),
        ("INFO", "probe.struct"),
    ]
    assert [r["message"] for r in mine[:4]] == [
        "printed line",
        "to stderr",
        "logged line",
        "careful",
    ]
    assert "structured line" in mine[4]["message"]
    assert "42" in mine[4]["message"]
    assert [r["time"] for r in records] == sorted(r["time"] for r in records)
    metrics = {
        (name, point["step"]): float(point["value"])
        for name, points in cli.json("job", "metrics", job).items()
        for point in points
    }
    assert metrics[("loss", 0)] == 0.5
    assert metrics[("loss", 1)] == 0.25
    assert math.isnan(metrics[("bad", 0)])
    assert metrics[("huge", 0)] == math.inf
    assert metrics[("tiny", 0)] == -math.inf


PAIR = """
parameters: {{folder: {folder}}}
graph:
  left: {{meet: [$folder, left, right]}}
  right: {{meet: [$folder, right, left]}}
  after: {{pid: [$left]}}
  show: {{speak: [[]]}}
  result: {{ident: [[$left, $right, $after]]}}
execution: {{parallel: true}}
artifact_outputs: {{}}
"""


def test_parallel_steps_meet_in_two_processes(cli: Cli, describe, tmp_path: Path) -> None:
    cli.ok("run", describe("pair", PAIR.format(folder=tmp_path)), *WITH)
    steps = {s["name"]: s for s in cli.json("job", "show", newest(cli)["id"])["steps"]}
    assert steps["left"]["stage"] != steps["right"]["stage"]
    assert steps["left"]["pid"] != steps["right"]["pid"]


def test_a_chain_of_a_parallel_entrypoint_stays_in_one_process(cli: Cli, describe) -> None:
    graph = (
        "graph:\n  a: {ident: 1}\n  b: {ident: $a}\n  c: {ident: $b}\nexecution: {parallel: true}\n"
    )
    cli.ok("run", describe("chain", graph), *WITH)
    steps = cli.json("job", "show", newest(cli)["id"])["steps"]
    assert len({s["pid"] for s in steps}) == 1


def test_without_it_steps_share_process_directory_and_objects(cli: Cli, describe) -> None:
    graph = (
        "graph:\n  put: {remember: 5}\n  look: {same: $put}\n"
        "  say: {ident: [$look]}\n  other: {ident: 2}\n"
    )
    cli.ok("run", describe("shared", graph), *WITH)
    job = cli.json("job", "show", newest(cli)["id"])
    assert len({s["pid"] for s in job["steps"]}) == 1
    assert len({s["stage"] for s in job["steps"]}) == 1


def test_two_versions_of_a_plugin_at_once(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "versions"
    folder.mkdir()
    jobs = []
    for version in (1, 2):
        plugin = tmp_path / f"v{version}" / "versioned"
        plugin.mkdir(parents=True)
        plugin.joinpath("tasks.py").write_text(
            "from pathlib import Path\nimport time\nfrom dioptra import pyplugs\n"
            "from .number import VERSION\n\n"
            "@pyplugs.register\ndef write(folder):\n"
            "    Path(folder, f'v{VERSION}').touch()\n"
            "    while len(list(Path(folder).iterdir())) < 2:\n        time.sleep(0.01)\n"
            "    from versioned import number\n"
            "    print('version', VERSION, number.VERSION)\n"
        )
        plugin.joinpath("number.py").write_text(f"VERSION = {version}\n")
        path = tmp_path / "versions.yaml"
        path.write_text(
            f"parameters: {{folder: {folder}}}\n"
            "tasks: {write: {plugin: versioned.tasks.write, inputs: [{folder: any}]}}\n"
            "graph: {go: {write: $folder}}\n"
        )
        running = cli.start("run", path, "--plugins", tmp_path / f"v{version}")
        wait_until(lambda v=version: (folder / f"v{v}").exists())
        jobs.append(running)
    for version, running in zip((1, 2), jobs, strict=True):
        output, _ = running.communicate(timeout=60)
        assert running.returncode == 0, output
        assert f"version {version} {version}" in output


def test_a_wrong_entrypoint_is_refused_twice_with_everything(cli: Cli, describe) -> None:
    path = describe(
        "wrong",
        "parameters: {n: {type: integer, default: text}}\n"
        "graph:\n  a: {nosuch: 1}\n  b: {touch: [x]}\n  c: {ident: $c}\n",
    )
    checked = cli.run("validate", path, *WITH, "--format", "json")
    assert checked.returncode == 1
    ran = cli.run("run", path, *WITH)
    assert ran.returncode == 1
    text = ran.stdout + ran.stderr
    assert "Traceback" not in text
    assert "nosuch" in text
    assert f"{path.name}:" in text
    broken = path.with_name("broken.yaml")
    broken.write_text("graph:\n  a: [1\n")
    for command in (("validate", broken), ("run", broken, *WITH)):
        done = cli.run(*command)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "broken.yaml:" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_ctrl_c_leaves_the_job_and_cancel_stops_it(cli: Cli, describe, tmp_path: Path) -> None:
    path = describe("spins", f"graph:\n  go: {{spin: {tmp_path}}}\n")
    running = cli.start("run", path, *WITH)
    wait_until((tmp_path / "spinning").exists)
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=30)
    assert running.returncode == 130
    job = newest(cli)
    assert job["status"] == "started"
    assert f"dioptra-ray job watch {job['id']}" in output
    asked = time.monotonic()
    cli.ok("job", "cancel", job["id"])
    wait_until(lambda: cli.json("job", "show", job["id"])["status"] == "cancelled")
    print("cancelled after", time.monotonic() - asked)


def test_a_sleep_is_cancelled_too(cli: Cli, describe) -> None:
    running = cli.start("run", describe("sleeps", "graph:\n  go: {sleep: 600}\n"), *WITH)
    wait_until(lambda: any_running_step(cli, "sleeps"))
    job = newest(cli)
    cli.ok("job", "cancel", job["id"])
    output, _ = running.communicate(timeout=30)
    assert running.returncode == 1
    assert "cancelled" in output


def any_running_step(cli: Cli, entrypoint: str) -> bool:
    job = newest(cli)
    if job["entrypoint"] != entrypoint:
        return False
    steps = cli.json("job", "show", job["id"])["steps"]
    return any(step["status"] == "running" for step in steps)


def wait_until(condition, seconds: float = 60) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.05)


def test_nothing_runs_after_down(tmp_path: Path) -> None:
    own = Cli(tmp_path / "state")
    path = tmp_path / "one.yaml"
    path.write_text(
        "tasks: {speak: {plugin: probe.tasks.speak, inputs: [{loss: any}], outputs: {t: any}}}\n"
        "graph: {talk: {speak: [[1.5]]}}\n"
    )
    own.ok("up")
    try:
        own.ok("run", path, *WITH)
        before = own.json("job", "list")
        own.ok("down")
        left = subprocess.run(
            ["pgrep", "-f", str(own.state)], capture_output=True, text=True, check=False
        )
        assert left.stdout.split() == []
        own.ok("up")
        assert own.json("job", "list") == before
        assert "printed line" in own.ok("job", "logs", before[0]["id"])
        assert own.json("job", "metrics", before[0]["id"])
    finally:
        own.ok("down")
