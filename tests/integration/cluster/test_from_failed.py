"""A retry from where a job failed: what one node made is kept in S3, and loaded on another."""

from pathlib import Path

from tests.integration.cluster.deployment import Deployment

STUDY = """
    from pathlib import Path
    from dioptra import pyplugs

    class Data:
        def __init__(self, array):
            self.array = array

    @pyplugs.register
    def prepare(folder):
        import numpy as np
        with Path(folder, "prepared").open("a") as file:
            file.write("x")
        Path("notes.txt").write_text("written while preparing")
        return Data(np.arange(200_000.0))

    @pyplugs.register
    def train(folder, data):
        from dioptra_ray import current_job
        if not Path(folder, "mended").exists():
            raise ValueError("not yet")
        data.array[0] = 3
        assert isinstance(data, Data)
        assert Path("notes.txt").read_text() == "written while preparing"
        current_job().log_metric("total", float(data.array.sum()))
"""


def test_what_a_node_made_is_kept_and_loaded_on_another(
    cluster: Deployment, tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    described = {
        "tasks": {
            "prepare": {
                "plugin": "again.tasks.prepare",
                "inputs": [{"folder": "any"}],
                "outputs": {"data": "any"},
            },
            "train": {
                "plugin": "again.tasks.train",
                "inputs": [{"folder": "any"}, {"data": "any"}],
            },
        },
        "parameters": {"folder": str(tmp_path)},
        "graph": {"data": {"prepare": "$folder"}, "model": {"train": ["$folder", "$data"]}},
        "execution": {
            "steps": {"data": {"labels": {"kind": "cpu"}}, "model": {"labels": {"kind": "gpu"}}}
        },
    }
    failed = cluster.submit("again", STUDY, described).wait(120)
    assert failed.status == "failed"
    assert failed.failure is not None
    assert failed.failure.step == "model", (failed.failure, cluster.logs())
    stage = failed.steps["data"].stage
    assert failed.record.saved_stages == (stage,)
    (tmp_path / "mended").touch()
    ended = failed.retry(from_failed=True).wait(120)
    assert ended.status == "finished", (ended.failure, cluster.logs())
    assert (tmp_path / "prepared").read_text() == "x"
    assert ended.steps["data"].exit_reason == f"reused from job {failed.id}"
    assert ended.steps["model"].node == cluster.address("gpu")
    assert ended.metrics["total"].last == sum(range(200_000)) + 3
