"""Queues with environments: the client, the command line, and `[[queues]]`."""

import json

import pytest

from dioptra_ray.errors import InvalidRequestError, NotFoundError
from tests.integration.registry.conftest import DESCRIPTION

ENVIRONMENT = {
    "num_gpus": 0.5,
    "memory": "4GiB",
    "labels": {"zone": "b"},
    "runtime_env": {"env_vars": {"A": "1"}, "pip": ["six==1.16"]},
    "isolation": "process",
}
STORED = {**ENVIRONMENT, "memory": 4 * 1024**3}


def test_the_client_makes_and_changes_queues(client):
    made = client.queues.create("gpu", environment=ENVIRONMENT, max_started_jobs=4, priority=2)
    assert (made.environment, made.max_started_jobs, made.priority) == (STORED, 4, 2)
    assert client.queues.get("gpu") == made
    changed = client.queues.update("gpu", max_started_jobs=0, description="x")
    assert (changed.max_started_jobs, changed.description, changed.snapshot) == (0, "x", 2)
    assert (changed.environment, changed.priority) == (STORED, 2)
    changed = client.queues.update("gpu", environment={})
    assert (changed.environment, changed.priority) == ({}, 2)
    assert client.queues.update("gpu") == changed
    # What is read can be given again.
    assert client.queues.update("gpu", environment=made.environment).environment == STORED
    names = {(one.part, one.name) for one in client.queues.diff("gpu", 3, 4).differences}
    assert ("environment", "runtime_env.pip") in names
    assert [one.name for one in client.queues.list()] == ["default", "gpu"]


def test_wrong_settings_are_refused_with_everything(client):
    wrong = {"num_gpu": 1, "memory": "much", "runtime_env": {"env_vars": {"A": 1}}}
    for call in (client.queues.create, client.queues.update):
        with pytest.raises(InvalidRequestError) as caught:
            call("default", environment=wrong)
        for part in ("did you mean num_gpus?", "memory must be", "env_vars.A: must be a text"):
            assert part in caught.value.message
    with pytest.raises(NotFoundError, match="did you mean 'default'"):
        client.queues.update("defualt", priority=1)
    with pytest.raises(TypeError, match="priority must be a whole number"):
        client.queues.update("default", priority="high")
    assert client.queues.get("default").snapshot == 1


def test_the_command_line_makes_and_changes_queues(client, run, tmp_path):
    file = tmp_path / "env.yaml"
    file.write_text("env_vars: {A: '1', C: '3'}\nconfig: {eager_install: false}\n")
    options = ("--num-gpus", 0.5, "--memory", "4GiB", "--label", "zone=b", "--env", "A=2")
    more = ("--resource", "tpu=2", "--isolation", "process", "--runtime-env", file)
    run("queue", "create", "gpu", *options, *more, "--max-started-jobs", 4, "--priority", -1)
    found = client.queues.get("gpu")
    assert (found.max_started_jobs, found.priority) == (4, -1)
    assert found.environment == {
        "num_gpus": 0.5,
        "memory": 4 * 1024**3,
        "labels": {"zone": "b"},
        "resources": {"tpu": 2.0},
        "runtime_env": {"env_vars": {"A": "2", "C": "3"}, "config": {"eager_install": False}},
        "isolation": "process",
    }
    shown = run("queue", "show", "gpu").out
    for part in ("num_gpus 0.5", "label zone=b", '"C": "3"', "process", "at most", "4", "-1"):
        assert part in shown
    assert run("queue", "show", "gpu", "--format", "json").json["environment"] == found.environment
    listed = run("queue", "list").out
    assert "AT MOST" in listed
    again = ("--env", "B=5", "--label", "disk=fast", "--isolation", "shared")
    assert "updated" in run("queue", "update", "gpu", *again).out
    assert "unchanged" in run("queue", "update", "gpu", *again).out
    changed = client.queues.get("gpu").environment
    assert changed["runtime_env"]["env_vars"] == {"A": "2", "B": "5", "C": "3"}
    assert changed["labels"] == {"disk": "fast", "zone": "b"}
    assert "isolation" not in changed
    run("queue", "update", "gpu", "--reset", "--pip", "six", "--max-started-jobs", 0)
    found = client.queues.get("gpu")
    assert found.environment == {"runtime_env": {"pip": ["six"]}}
    assert (found.max_started_jobs, found.priority) == (0, -1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--resource", "tpu=many"), "resources must be"),
        (("--num-gpus", "1.5"), "num_gpus must be"),
        (("--label", "zone"), "not NAME=VALUE"),
        (("--env", "A B=1"), "not a name of an environment variable"),
        (("--max-started-jobs", "-1"), "max_started_jobs must be 0"),
        (("--priority", "1.5"), "not a valid integer"),
    ],
)
def test_wrong_options_are_refused(client, run, options, said):
    code = 2 if said.startswith("not NAME") or "valid integer" in said else 1
    assert said in run("queue", "create", "gpu", *options, fails=code).err
    assert [one.name for one in client.queues.list()] == ["default"]


def test_a_plan_for_a_queue(client, run, tmp_path):
    client.queues.create("gpu", environment=ENVIRONMENT)
    path = tmp_path / "scale.yaml"
    path.write_text(DESCRIPTION)
    plan = json.loads(run("plan", path, "--queue", "gpu", "--format", "json").out)
    assert plan["environment"] == {
        "runtime_env": ENVIRONMENT["runtime_env"],
        "isolation": "process",
    }
    assert plan["stages"][0]["resources"]["num_gpus"] == 0.5
    text = run("plan", path, "--queue", "gpu").out
    assert 'runtime_env {"env_vars":{"A":"1"},"pip":["six==1.16"]}' in text
    assert "isolation process" in text
    assert "environment" not in json.loads(run("plan", path, "--format", "json").out)
    assert "no queue 'gpus'" in run("plan", path, "--queue", "gpus", fails=3).err


def test_a_project_declares_queues(client, tmp_path):
    config = tmp_path / "dioptra.toml"
    config.write_text('[[queues]]\nname = "gpu"\npriority = 1\nenvironment = { num_gpus = 1 }\n')
    (made,) = client.import_project(tmp_path)
    assert (made.kind, made.name, made.outcome) == ("queue", "gpu", "created")
    client.queues.update("gpu", max_started_jobs=3, priority=7)
    (same,) = client.import_project(tmp_path)
    assert same.outcome == "updated"
    found = client.queues.get("gpu")
    assert (found.priority, found.max_started_jobs) == (1, 3), "what it does not say stays"
    client.import_project(tmp_path, strategy="overwrite")
    assert client.queues.get("gpu").max_started_jobs == 0
    config.write_text('[[queues]]\nname = "gpu"\n')
    assert client.import_project(tmp_path)[0].outcome == "unchanged"
