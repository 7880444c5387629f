"""A node that is cut off: its packets are dropped, and nobody is told."""

import datetime as dt
import time
from pathlib import Path

import pytest

from tests.integration.cluster.deployment import Deployment

WITHIN = dt.timedelta(seconds=30)

SOURCE = """
    import os, socket, subprocess, time
    from pathlib import Path
    from dioptra import pyplugs
    from dioptra.sdk.api.artifact import ArtifactTaskInterface

    class TextArtifact(ArtifactTaskInterface):
        @staticmethod
        def serialize(working_dir, name, contents, **kwargs):
            (working_dir / name).write_text(contents)
            return working_dir / name

        @staticmethod
        def deserialize(working_dir, path, **kwargs):
            return (working_dir / path).read_text()

        @staticmethod
        def validation():
            return None

    @pyplugs.register
    def work(doomed, folder):
        host = socket.gethostname()
        print("begins on", host)
        if host == doomed:
            subprocess.Popen(["sleep", "1000"])
            while not Path(folder, "over").exists():
                time.sleep(0.02)
        with Path(folder, "ledger").open("a") as ledger:
            ledger.write(host + "\\n")
        return "made on " + host
"""


@pytest.mark.long
def test_a_step_on_a_node_that_was_cut_off_runs_again_and_the_late_one_is_refused(
    cluster: Deployment, tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    cluster.add_node("adrift", kind="cut")
    described = {
        "tasks": {
            "work": {
                "plugin": "cut.tasks.work",
                "inputs": [{"doomed": "any"}, {"folder": "any"}],
                "outputs": {"text": "any"},
            }
        },
        "graph": {"text": {"work": ["adrift", str(tmp_path)]}},
        "artifact_outputs": {"said": {"contents": "$text", "task": {"name": "TextArtifact"}}},
        "execution": {"steps": {"text": {"labels": {"kind": "cut"}}}},
    }
    job = cluster.submit("cut", SOURCE, described)
    lines = (line.message for line in cluster.client.jobs.watch_logs(job.id))
    assert any("begins on adrift" in line for line in lines)
    cluster.add_node("ashore", kind="cut")
    cluster.wait_until_ready(CPU=5)
    adrift = cluster.host("adrift")
    cut_at = dt.datetime.now(dt.UTC)
    adrift.cut()
    assert any("begins on ashore" in line for line in lines), cluster.logs()
    begun = next(line.time for line in job.logs if "begins on ashore" in line.message)
    assert begun - cut_at < WITHIN
    job.wait(60)
    assert job.status == "finished", (job.failure, cluster.logs())
    assert job.steps["text"].node == cluster.address("ashore")
    # The late one comes to its end and would store what it has made.
    adrift.heal()
    (tmp_path / "over").touch()
    deadline = time.monotonic() + 90
    while adrift.programs():
        assert time.monotonic() < deadline, adrift.programs()
        time.sleep(0.1)
    job.refresh()
    assert job.status == "finished"
    (artifact,) = cluster.client.artifacts.list(job=job.id)
    target = cluster.client.artifacts.download(artifact, tmp_path / "downloaded")
    assert target.read_text() == "made on ashore"
    assert (tmp_path / "ledger").read_text().splitlines().count("ashore") == 1
    cluster.kill("adrift")
    cluster.kill("ashore")
