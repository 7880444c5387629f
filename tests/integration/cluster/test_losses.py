"""Nodes that lose their power while a job is on them."""

import time
from pathlib import Path

from dioptra_ray.client.job import Job
from tests.integration.cluster.deployment import Deployment

SOURCE = """
    import os, signal, socket, time
    from pathlib import Path
    from dioptra import pyplugs
    from dioptra_ray import current_job

    def wait_for(path):
        while not Path(path).exists():
            time.sleep(0.02)

    @pyplugs.register
    def stay_on(doomed):
        print("begins on", socket.gethostname())
        while socket.gethostname() == doomed:
            time.sleep(0.02)
        return socket.gethostname()

    @pyplugs.register
    def make():
        import numpy as np
        Path("made.txt").write_text(socket.gethostname())
        return np.full(1_000_000, len(socket.gethostname()))

    @pyplugs.register
    def linger(begun, end):
        Path(begun).touch()
        wait_for(end)
        return 1

    @pyplugs.register
    def join(data, lingered):
        current_job().log_metric("total", float(data.sum()) + lingered)
        print("made on", Path("made.txt").read_text())

    @pyplugs.register
    def crash():
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def tasks(plugin: str) -> dict:
    inputs = {
        "stay_on": (["doomed"], "host"),
        "make": ([], "data"),
        "linger": (["begun", "end"], "one"),
        "join": (["data", "lingered"], None),
        "crash": ([], None),
    }
    return {
        name: {
            "plugin": f"{plugin}.tasks.{name}",
            "inputs": [{one: "any"} for one in given],
            **({"outputs": {output: "any"}} if output else {}),
        }
        for name, (given, output) in inputs.items()
    }


def said(job: Job) -> list[str]:
    return [line.message for line in job.logs if line.logger == "dioptra_ray.runner"]


def wait_until(condition, cluster: Deployment) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, cluster.logs()
        time.sleep(0.05)


def test_a_step_on_a_killed_node_runs_again_on_another(cluster: Deployment) -> None:
    cluster.add_node("doomed", kind="twin")
    described = {
        "tasks": tasks("killed"),
        "graph": {"a": {"stay_on": "doomed"}, "b": {"stay_on": "$a.host"}},
        # No retries: that a node is lost is not the step's failure.
        "execution": {
            "steps": {"a": {"labels": {"kind": "twin"}}, "b": {"labels": {"kind": "cpu"}}}
        },
    }
    job = cluster.submit("killed", SOURCE, described)
    lines = (line.message for line in cluster.client.jobs.watch_logs(job.id))
    assert any("begins on doomed" in line for line in lines)
    address = cluster.address("doomed")
    cluster.add_node("saviour", kind="twin")
    cluster.kill("doomed")
    job.wait(90)
    assert job.status == "finished", (job.failure, said(job), cluster.logs())
    assert job.steps["a"].node == cluster.address("saviour")
    assert job.steps["b"].node == cluster.address("cpu")
    again = next(line for line in said(job) if "runs again" in line)
    assert f"The node {address}" in again
    assert 'step "a"' in again
    cluster.kill("saviour")


def test_what_was_lost_after_it_was_made_is_made_again(cluster: Deployment, tmp_path: Path) -> None:
    cluster.add_node("maker", kind="maker")
    begun, end = tmp_path / "begun", tmp_path / "end"
    described = {
        "tasks": tasks("lost"),
        "graph": {
            "data": {"make": []},
            "lingered": {"linger": [str(begun), str(end)]},
            "joined": {"join": ["$data", "$lingered"]},
        },
        "execution": {
            "steps": {
                "data": {"labels": {"kind": "maker"}},
                "lingered": {"num_gpus": 1},
                "joined": {"labels": {"kind": "cpu"}},
            }
        },
    }
    job = cluster.submit("lost", SOURCE, described)
    wait_until(lambda: begun.exists() and job.refresh().steps["data"].status == "finished", cluster)
    cluster.kill("maker")
    cluster.add_node("again", kind="maker")
    end.touch()
    job.wait(90)
    assert job.status == "finished", (job.failure, said(job), cluster.logs())
    assert job.steps["data"].node == cluster.address("again")
    assert job.metrics["total"].values == (1_000_000 * len("again") + 1,)
    assert any("was lost with its node" in line for line in said(job)), said(job)
    assert any("(what it made is gone)" in line for line in said(job)), said(job)
    # The other producer's node lives, and so does what it made.
    assert job.steps["lingered"].try_number == 1
    assert "made on again" in [line.message for line in job.logs]
    cluster.kill("again")


def test_a_crash_is_the_steps_own_fault(cluster: Deployment) -> None:
    described = {
        "tasks": tasks("crash"),
        "graph": {"a": {"crash": []}},
        "execution": {"steps": {"a": {"labels": {"kind": "cpu"}}}},
    }
    job = cluster.submit("crash", SOURCE, described).wait(60)
    assert job.status == "failed"
    assert job.failure is not None
    assert (job.failure.reason, job.failure.step) == ("PROCESS_DIED", "a")
    assert not [line for line in said(job) if "runs again" in line]
