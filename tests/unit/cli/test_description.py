"""`validate`, `plan` and `run --local`: what works on a file without any server."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = """
from dioptra import pyplugs


@pyplugs.register
def double(x: int) -> int:
    print("doubling")
    return 2 * x


@pyplugs.register
def fail(x: int) -> int:
    raise ValueError(f"no {x}")
"""

SELF_CONTAINED = """
parameters:
  x: 3
tasks:
  double:
    plugin: maths.tasks.double
    inputs:
      - x: integer
    outputs:
      value: integer
  fail:
    plugin: maths.tasks.fail
    inputs:
      - x: integer
    outputs:
      value: integer
graph:
  first:
    double: $x
  second:
    {task}: $first.value
"""

CONFIG = """
[[plugins]]
path = "plugins/maths"

[[entrypoints]]
path = "graphs/train.yaml"
name = "training"
plugins = ["maths"]
params = [{name = "x", type = "integer", default_value = "3"}]
"""


pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "plugins" / "maths").mkdir(parents=True)
    (tmp_path / "plugins" / "maths" / "__init__.py").touch()
    (tmp_path / "plugins" / "maths" / "tasks.py").write_text(PLUGIN)
    (tmp_path / "good.yaml").write_text(SELF_CONTAINED.replace("{task}", "double"))
    (tmp_path / "fails.yaml").write_text(SELF_CONTAINED.replace("{task}", "fail"))
    (tmp_path / "bad.yaml").write_text(
        SELF_CONTAINED.replace("{task}", "triple").replace("double: $x", "duoble: $x")
    )
    (tmp_path / "graphs").mkdir()
    (tmp_path / "graphs" / "train.yaml").write_text("graph:\n  first:\n    double: $x\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def project(folder):
    (folder / "dioptra.toml").write_text(CONFIG)
    return folder


def test_valid(run) -> None:
    ran = run("validate", "good.yaml", "--format", "json")
    assert ran.code == 0
    assert ran.json == {"valid": True, "issues": []}
    assert run("validate", "good.yaml").code == 0


def test_everything_wrong_at_once_with_places(run, folder) -> None:
    ran = run("validate", "bad.yaml", "--format", "json")
    assert ran.code == 1
    assert not ran.json["valid"]
    assert len(ran.json["issues"]) == 2
    for issue in ran.json["issues"]:
        assert set(issue) == {"severity", "code", "message", "path", "line", "column"}
        assert issue["line"]
    lines = (folder / "bad.yaml").read_text().splitlines()
    assert sorted(
        lines[issue["line"] - 1].split(":")[0].strip() for issue in ran.json["issues"]
    ) == [
        "duoble",
        "triple",
    ]


def test_people_see_the_line_with_a_caret(run) -> None:
    ran = run("validate", "bad.yaml")
    assert ran.code == 1
    assert "triple: $first.value" in ran.out
    assert "^" in ran.out
    assert "bad.yaml:" in ran.out


@pytest.mark.parametrize("text", ["graph: [", "", "- 1\n", "\ta: b", "a: &a [*a]\n"])
def test_what_is_no_description_is_invalid(run, folder, text) -> None:
    (folder / "odd.yaml").write_text(text)
    ran = run("validate", "odd.yaml", "--format", "json")
    assert ran.code == 1
    assert ran.json["issues"]


def test_bytes_that_are_no_text_are_invalid(run, folder) -> None:
    (folder / "odd.yaml").write_bytes(b"graph: \xff\xfe\x00\x81")
    for more in ([], ["--plugins", "plugins"]):
        ran = run("validate", "odd.yaml", "--format", "json", *more)
        assert ran.code == 1, ran.err
        assert ran.json["issues"]


def test_a_graph_takes_its_tasks_from_a_folder_of_plugins(run, folder) -> None:
    (folder / "graph.yaml").write_text("graph:\n  first:\n    double: 4\n")
    assert run("validate", "graph.yaml").code == 1
    assert run("validate", "graph.yaml", "--plugins", "plugins").code == 0


def test_a_graph_takes_the_rest_from_its_project(run, project) -> None:
    assert run("validate", "graphs/train.yaml").code == 0
    assert run("validate", "graphs/train.yaml", "--plugins", "plugins").code == 0
    (project / "dioptra.toml").write_text(CONFIG.replace('name = "x"', 'name = "y"'))
    ran = run("validate", "graphs/train.yaml", "--format", "json")
    assert ran.code == 1


def test_problems_of_the_project_name_its_file(run, project) -> None:
    (project / "dioptra.toml").write_text(CONFIG.replace('"integer"', '"integre"'))
    ran = run("validate", "graphs/train.yaml", "--format", "json")
    assert ran.code == 1
    assert {issue.get("file") for issue in ran.json["issues"]} == {"dioptra.toml"}


@pytest.mark.parametrize(
    ("form", "said"), [("text", "num_cpus"), ("mermaid", "flowchart"), ("dot", "digraph")]
)
def test_plan(run, form, said) -> None:
    ran = run("plan", "good.yaml", "--plugins", "plugins", "--format", form)
    assert ran.code == 0, ran.err
    assert said in ran.out
    assert "second" in ran.out


def test_plan_as_json_is_the_plan(run) -> None:
    plan = run("plan", "good.yaml", "--format", "json").json
    assert plan["order"] == ["first", "second"]
    assert [stage["steps"] for stage in plan["stages"]] == [["first", "second"]]


def test_no_plan_for_what_is_wrong(run) -> None:
    ran = run("plan", "bad.yaml")
    assert ran.code == 1
    assert "bad.yaml has 2 problems" in ran.err
    assert ran.out == ""


def test_a_local_run(run) -> None:
    ran = run("run", "good.yaml", "--local", "--plugins", "plugins", "-P", "x=5")
    assert ran.code == 0, ran.err
    assert "doubling" in ran.out
    assert "step second finished" in ran.out


@pytest.mark.usefixtures("project")
def test_a_local_run_in_its_project(run) -> None:
    ran = run("run", "graphs/train.yaml", "--local", "-P", "x=5", "--format", "json")
    assert ran.code == 0, ran.err
    assert (ran.json["status"], ran.json["order"]) == ("finished", ["first"])
    assert "doubling" in ran.err


def test_a_local_run_that_fails(run) -> None:
    ran = run("run", "fails.yaml", "--local", "--plugins", "plugins")
    assert ran.code == 1
    for said in ("second", "ValueError", "no 6", "maths/tasks.py:13"):
        assert said in ran.out
    described = run("run", "fails.yaml", "--local", "--plugins", "plugins", "--format", "json").json
    assert described["failure"]["step"] == "second"
    assert described["failure"]["line"] == 13


@pytest.mark.parametrize("given", ["x=three", "y=3"])
def test_parameters_that_do_not_fit_are_refused(run, given) -> None:
    ran = run("run", "good.yaml", "--local", "--plugins", "plugins", "-P", given)
    assert ran.code == 1
    assert "parameter" in ran.err
    assert "doubling" not in ran.out


def test_artifacts_of_a_local_run_need_a_task(run) -> None:
    ran = run("run", "good.yaml", "--local", "--plugins", "plugins", "-A", "model=good.yaml")
    assert ran.code == 2
    assert "NAME=PATH:TASK" in ran.err


def test_json_is_one_document(run) -> None:
    ran = run("run", "good.yaml", "--local", "--plugins", "plugins", "--format", "json")
    assert json.loads(ran.out)["status"] == "finished"


def test_a_plan_of_what_is_wrong_is_json_with_the_issues(run, folder) -> None:
    (folder / "bad.yaml").write_text("graph: {a: {nobody: 1}}\n")
    ran = run("plan", folder / "bad.yaml", "--format", "json")
    assert ran.code == 1
    assert ran.json["error"]["reason"] == "INVALID_DESCRIPTION"
    assert ran.json["error"]["issues"][0]["severity"] == "error"


LOUD = """
import os
import subprocess
from dioptra_ray import pyplugs


@pyplugs.register
def shout(x):
    subprocess.run(["echo", "from a child"], check=True)
    os.write(1, b"from below\\n")
    print("from Python")
"""


def test_json_of_a_local_run_is_alone_on_stdout_whoever_prints(tmp_path) -> None:
    (tmp_path / "plugins" / "loud").mkdir(parents=True)
    (tmp_path / "plugins" / "loud" / "tasks.py").write_text(LOUD)
    (tmp_path / "g.yaml").write_text("graph: {a: {shout: 1}}\n")
    command = Path(sys.executable).with_name("dioptra-ray")
    where = ("g.yaml", "--plugins", "plugins", "--format", "json")
    done = subprocess.run(
        [command, "run", "--local", *where],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["status"] == "finished"
    for text in ("from a child", "from below", "from Python"):
        assert text in done.stderr
