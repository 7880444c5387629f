"""Steps run where they belong, and what they make travels between the nodes."""

import pytest

from tests.integration.cluster.deployment import Deployment

STUDY = """
    import os
    import ray
    from dioptra import pyplugs
    from dioptra.sdk.api.artifact import ArtifactTaskInterface

    class Model:
        def __init__(self, weight):
            self.weight = weight

    @pyplugs.register
    def preprocess():
        import numpy as np
        with open("notes.txt", "w") as file:
            file.write("written where the data was")
        return np.arange(500_000.0)

    @pyplugs.register
    def train(data):
        from dioptra_ray import current_job
        current_job().log_metric("gpus", len(ray.get_gpu_ids()))
        print("sees", os.environ["CUDA_VISIBLE_DEVICES"], ray.get_gpu_ids())
        data[0] = 1.0
        return Model(float(data.sum()))

    @pyplugs.register
    def evaluate(data, model):
        from dioptra_ray import current_job
        current_job().log_metric("gap", model.weight - float(data.sum()))
        current_job().log_metric("gpus_of_evaluate", len(ray.get_gpu_ids()))
        return "notes.txt"

    class FileArtifactTask(ArtifactTaskInterface):
        @staticmethod
        def serialize(working_dir, name, contents, **kwargs):
            return working_dir / contents

        @staticmethod
        def deserialize(working_dir, path, **kwargs):
            return (working_dir / path).read_text()

        @staticmethod
        def validation():
            return None
"""


def study(plugin: str) -> dict:
    return {
        "types": {},
        "tasks": {
            "preprocess": {"plugin": f"{plugin}.tasks.preprocess", "outputs": {"data": "any"}},
            "train": {
                "plugin": f"{plugin}.tasks.train",
                "inputs": [{"data": "any"}],
                "outputs": {"model": "any"},
            },
            "evaluate": {
                "plugin": f"{plugin}.tasks.evaluate",
                "inputs": [{"data": "any"}, {"model": "any"}],
                "outputs": {"file": "any"},
            },
        },
        "graph": {
            "data": {"preprocess": []},
            "model": {"train": "$data"},
            "score": {"evaluate": ["$data", "$model"]},
        },
        "artifact_outputs": {
            "notes": {"contents": "$score", "task": {"name": "FileArtifactTask"}},
        },
        "execution": {
            "steps": {
                "data": {"num_cpus": 1, "labels": {"kind": "cpu"}},
                "model": {"num_gpus": 1},
                "score": {"num_cpus": 1, "labels": {"kind": "cpu"}},
            }
        },
    }


def test_each_step_runs_where_it_belongs(cluster: Deployment) -> None:
    job = cluster.submit("study", STUDY, study("study")).wait(60)
    assert job.status == "finished", (job.failure, cluster.logs())
    cpu, gpu = cluster.address("cpu"), cluster.address("gpu")
    assert {name: step.node for name, step in job.steps.items()} == {
        "data": cpu,
        "model": gpu,
        "score": cpu,
    }
    assert job.metrics["gpus"].values[-1] == 1
    assert job.metrics["gpus_of_evaluate"].values[-1] == 0
    # What one stage changes is its own: the two others share an array of one node.
    assert job.metrics["gap"].values[-1] == 1.0
    assert any(line.message == "sees 0 [0]" for line in job.logs)


def test_a_file_of_one_node_is_saved_on_another(cluster: Deployment, tmp_path) -> None:
    described = study("travel")
    described["execution"]["steps"]["score"] = {"num_gpus": 1}
    job = cluster.submit("travel", STUDY, described).wait(60)
    assert job.status == "finished", (job.failure, cluster.logs())
    assert job.steps["data"].node != job.steps["score"].node
    saved = cluster.client.artifacts.download(job.artifacts["notes"].id, tmp_path)
    assert saved.read_text() == "written where the data was"


LOCALITY = """
    from dioptra import pyplugs

    @pyplugs.register
    def make():
        import numpy as np
        return np.zeros(4_000_000)

    @pyplugs.register
    def take(data):
        return float(data[0])
"""


@pytest.mark.parametrize("home", ["cpu", "gpu"])
def test_a_step_that_may_run_anywhere_runs_where_its_data_is(
    cluster: Deployment, home: str
) -> None:
    described = {
        "tasks": {
            "make": {"plugin": "locality.tasks.make", "outputs": {"data": "any"}},
            "take": {"plugin": "locality.tasks.take", "inputs": [{"data": "any"}]},
        },
        "graph": {"data": {"make": []}, "left": {"take": "$data"}},
        # Different resources, so that they are no single stage.
        "execution": {
            "steps": {
                "data": {"num_cpus": 1, "labels": {"kind": home}},
                "left": {"num_cpus": 0.5},
            }
        },
    }
    job = cluster.submit("locality", LOCALITY, described).wait(60)
    assert job.status == "finished", (job.failure, cluster.logs())
    assert {step.node for step in job.steps.values()} == {cluster.address(home)}


def test_a_node_that_comes_later_is_used(cluster: Deployment) -> None:
    described = {
        "tasks": {"make": {"plugin": "waits.tasks.make", "outputs": {"data": "any"}}},
        "graph": {"data": {"make": []}},
        "execution": {"steps": {"data": {"num_cpus": 1, "labels": {"kind": "late"}}}},
    }
    job = cluster.submit("waits", LOCALITY, described)
    wanted = "waits for a node with label kind=late; no node has it"
    said = (line.message for line in cluster.client.jobs.watch_logs(job.id))
    assert any(wanted in message for message in said)
    cluster.add_node("late", kind="late")
    job.wait(60)
    assert job.status == "finished", (job.failure, cluster.logs())
    assert job.steps["data"].node == cluster.address("late")
    assert any("waits no more" in line.message for line in job.logs)
    cluster.kill("late")
