"""A retry from where a job failed, through the CLI, on a real controller and a real Ray."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Cli

PLUGIN = """
from pathlib import Path
from dioptra import pyplugs

class Model:
    def __init__(self):
        self.weights = [1]

@pyplugs.register
def train(folder):
    with Path(folder, "trained").open("a") as file:
        file.write("x")
    Path("history.txt").write_text("epoch 1")
    return Model()

@pyplugs.register
def tune(model):
    from dioptra_ray import current_job
    model.weights.append(2)
    current_job().log_metric("loss", 0.25)

@pyplugs.register
def evaluate(folder, model):
    if not Path(folder, "data").exists():
        raise FileNotFoundError("no data yet")
    assert isinstance(model, Model)
    assert Path("history.txt").read_text() == "epoch 1"
    return sum(model.weights)
"""
ENTRYPOINT = """
parameters: {{folder: {folder}}}
tasks:
  train: {{plugin: lab.tasks.train, inputs: [{{folder: any}}], outputs: {{model: any}}}}
  tune: {{plugin: lab.tasks.tune, inputs: [{{model: any}}]}}
  evaluate:
    plugin: lab.tasks.evaluate
    inputs: [{{folder: any}}, {{model: any}}]
    outputs: {{score: number}}
graph:
  model: {{train: [$folder]}}
  tuned: {{tune: [$model]}}
  score: {{evaluate: [$folder, $model], dependencies: [tuned]}}
execution: {execution}
"""
APART = "{steps: {model: {num_cpus: 0.5}, tuned: {num_cpus: 0.5}, score: {num_cpus: 0.25}}}"


@pytest.fixture
def fail(cli: Cli, tmp_path: Path):
    """Runs the entrypoint to its failure; returns the job's id."""

    def run(execution: str) -> int:
        plugin = tmp_path / "plugins" / "lab"
        plugin.mkdir(parents=True)
        (plugin / "tasks.py").write_text(PLUGIN)
        path = tmp_path / "shaky.yaml"
        path.write_text(ENTRYPOINT.format(folder=tmp_path, execution=execution))
        done = cli.run("run", path, "--plugins", plugin.parent)
        assert done.returncode == 1, done.stdout + done.stderr
        return int(cli.json("job", "list")[0]["id"])

    return run


def test_a_job_goes_on_from_where_it_failed(cli: Cli, tmp_path: Path, fail) -> None:
    failed = fail(APART)
    record = cli.json("job", "show", failed)
    stages = {step["name"]: step["stage"] for step in record["steps"]}
    assert stages["model"] != stages["score"]
    assert record["saved_stages"] == [stages["model"]]
    assert f"dioptra-ray job retry {failed} --from-failed" in cli.ok("job", "logs", failed)
    (tmp_path / "data").touch()
    again = cli.json("job", "retry", failed, "--from-failed")
    assert again["reused_stages"] == [stages["model"]]
    cli.ok("job", "watch", again["id"])
    assert (tmp_path / "trained").read_text() == "x"
    steps = {step["name"]: step for step in cli.json("job", "show", again["id"])["steps"]}
    assert [step["status"] for step in steps.values()] == ["finished"] * 3
    assert steps["model"]["exit_reason"] == f"reused from job {failed}"
    assert steps["score"]["exit_reason"] == ""
    assert cli.json("job", "metrics", again["id"])["loss"][0]["value"] == 0.25
    shown = cli.ok("job", "show", again["id"])
    assert f"reused from job {failed}" in shown


def test_a_job_of_one_stage_is_refused_and_the_way_out_works(
    cli: Cli, tmp_path: Path, fail
) -> None:
    failed = fail("{}")
    refused = cli.run("job", "retry", failed, "--from-failed")
    assert refused.returncode == 1
    assert "share one stage" in refused.stderr
    assert "retry without --from-failed" in refused.stderr
    assert cli.json("job", "list")[0]["id"] == failed
    (tmp_path / "data").touch()
    cli.ok("job", "watch", cli.json("job", "retry", failed)["id"])
    assert (tmp_path / "trained").read_text() == "xx"
