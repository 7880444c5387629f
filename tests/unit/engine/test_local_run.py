"""One job in this process: what it leaves, what it restores, and how it fails."""

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from dioptra_ray.engine import ArtifactFailedError, MissingParametersError, StepFailedError
from dioptra_ray.errors import InvalidDescriptionError, NotFoundError
from dioptra_ray.local import Artifact, run

TASKS = """\
import logging, os, sys
import structlog
from pathlib import Path
from dioptra import pyplugs
from dioptra.sdk.utilities.auth_client import get_authenticated_worker_client
from dioptra_ray import current_job

LOG = structlog.get_logger()
calls = []

@pyplugs.register
def look():
    calls.append(1)
    job = current_job()
    return {
        "cwd": os.getcwd(), "calls": len(calls), "id": job.id, "job_id": os.environ["__JOB_ID"],
        "parameters": dict(job.parameters), "step": job.step,
        "directory": job.working_directory, "files": sorted(os.listdir()),
    }

@pyplugs.register
def disturb():
    os.environ["MADE_UP"] = "1"
    os.environ.pop("KNOWN", None)
    os.mkdir("below")
    os.chdir("below")
    sys.path.append("/nowhere")

@pyplugs.register
def say():
    LOG.info("from structlog", number=1)
    logging.getLogger("mine").warning("from logging")

@pyplugs.register
def measure(value):
    current_job().log_metric("direct", value, step=1)
    client = get_authenticated_worker_client(LOG, "json")
    return client.jobs.append_metric_by_id(
        job_id=os.environ["__JOB_ID"], metric_name="client", metric_value=value, metric_step=2
    )

@pyplugs.register
def give(value):
    return value

@pyplugs.register
def interrupt():
    raise KeyboardInterrupt
"""

ARTIFACTS = """\
from pathlib import Path
from dioptra.sdk.api.artifact import ArtifactTaskInterface

class Note:
    def __init__(self, text):
        self.text = text

class NoteTask(ArtifactTaskInterface):
    @staticmethod
    def serialize(working_dir, name, contents, mark="", **kwargs):
        path = Path(working_dir, f"{name}.note")
        path.write_text(str(contents) + mark)
        return path

    @staticmethod
    def deserialize(working_dir, path, **kwargs):
        text = Path(working_dir, path).read_text()
        Path(working_dir, path).write_text("spoilt")
        return text

    @staticmethod
    def validation():
        return {"mark": {"type": "string"}}

class TreeTask(NoteTask):
    @staticmethod
    def serialize(working_dir, name, contents, **kwargs):
        Path("tree/sub").mkdir(parents=True)
        Path("tree/sub/leaf").write_text(contents)
        Path("link").symlink_to("tree")
        return Path("link")
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    for name, source in {"plug/tasks.py": TASKS, "arts/tasks.py": ARTIFACTS}.items():
        (tmp_path / "plugins" / name).parent.mkdir(parents=True)
        (tmp_path / "plugins" / name).write_text(source)
    return tmp_path / "plugins"


def graph(steps: Mapping[str, Any], **sections: Any) -> dict[str, Any]:
    inputs: dict[str, list[dict[str, str]]] = {
        "measure": [{"value": "any"}],
        "give": [{"value": "any"}],
    }
    tasks = {
        name: {
            "plugin": f"plug.tasks.{name}",
            "inputs": inputs.get(name, []),
            "outputs": {"value": "any"},
        }
        for name in ("look", "disturb", "say", "measure", "give", "interrupt")
    }
    return {"tasks": tasks, "graph": dict(steps), **sections}


def test_what_a_step_sees(plugins: Path) -> None:
    result = run(graph({"s": {"look": []}}, parameters={"p": 1}), plugins_dir=plugins)
    seen = result.steps["s"]["value"]
    assert seen["id"] is None
    assert seen["job_id"] == "0"
    assert seen["parameters"] == result.parameters == {"p": 1}
    assert seen["step"] == "s"
    assert seen["directory"] == Path(seen["cwd"])
    assert seen["files"] == [
        ".dioptra",
        "artifact_parameters.json",
        "entrypoint.yml",
        "parameters.json",
    ]
    assert not Path(seen["cwd"]).exists()


def test_the_files_about_the_job(plugins: Path, tmp_path: Path) -> None:
    description = graph({"s": {"look": []}}, parameters={"p": [1, None]})
    run(description, plugins_dir=plugins, working_dir=tmp_path / "work", name="study")
    assert yaml.safe_load((tmp_path / "work" / "study.yml").read_text()) == description
    assert json.loads((tmp_path / "work" / "parameters.json").read_text()) == {"p": [1, None]}


def test_a_file_of_the_user_is_left_alone_but_one_of_an_earlier_run_is_not(
    plugins: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "parameters.json").write_text("mine")
    description = graph({"s": {"look": []}}, parameters={"p": 1})
    run(description, plugins_dir=plugins, working_dir=work)
    assert (work / "parameters.json").read_text() == "mine"
    assert "parameters.json" in caplog.text
    run(description, {"p": 2}, plugins, working_dir=work)
    assert json.loads((work / "parameters.json").read_text()) == {"p": 2}


def test_everything_is_restored(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNOWN", "yes")
    before = Path.cwd(), dict(os.environ), list(sys.path), sys.dont_write_bytecode
    run(graph({"s": {"disturb": []}}), plugins_dir=plugins)
    assert (Path.cwd(), dict(os.environ), list(sys.path), sys.dont_write_bytecode) == before
    assert not structlog.is_configured()
    assert not list(plugins.rglob("__pycache__"))
    assert "plug" not in sys.modules


def test_each_run_starts_with_fresh_modules(plugins: Path) -> None:
    runs = [run(graph({"s": {"look": []}}), plugins_dir=plugins) for _ in range(2)]
    assert [one.steps["s"]["value"]["calls"] for one in runs] == [1, 1]


def test_a_plugin_edited_between_runs_is_read_again(plugins: Path) -> None:
    description = graph({"s": {"give": 1}})
    run(description, plugins_dir=plugins)
    source = (plugins / "plug" / "tasks.py").read_text()
    (plugins / "plug" / "tasks.py").write_text(source.replace("return value", "return +9999"))
    assert run(description, plugins_dir=plugins).steps["s"]["value"] == 9999


def test_both_kinds_of_logging_arrive(plugins: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run(graph({"s": {"say": []}}), plugins_dir=plugins)
    said = [(one.name, one.levelname, one.getMessage()) for one in caplog.records]
    assert ("plug.tasks", "INFO", "from structlog number=1") in said
    assert ("mine", "WARNING", "from logging") in said


def test_metrics_both_ways(plugins: Path) -> None:
    result = run(graph({"s": {"measure": 0.5}}), plugins_dir=plugins)
    logged = [(one.name, one.value, one.step, one.graph_step) for one in result.metrics]
    assert logged == [("direct", 0.5, 1, "s"), ("client", 0.5, 2, "s")]
    assert result.steps["s"]["value"] == {"name": "client", "value": 0.5}


def test_a_description_may_be_text_or_a_file(plugins: Path, tmp_path: Path) -> None:
    description = graph({"s": {"give": 1}})
    file = tmp_path / "entrypoint.yml"
    file.write_text(yaml.safe_dump(description))
    for form in (file.read_text(), file, str(file)):
        assert run(form, plugins_dir=plugins).steps == {"s": {"value": 1}}


def writing(task: str, **args: Any) -> dict[str, Any]:
    output = {"contents": "$s", "task": {"name": task, "args": args}}
    return graph({"s": {"give": "text"}}, artifact_outputs={"out": output})


def test_artifacts_outlive_a_temporary_directory_until_the_result_is_closed(
    plugins: Path,
) -> None:
    with run(writing("NoteTask", mark="!"), plugins_dir=plugins) as result:
        path = result.artifacts["out"]
        assert path.name == "out.note"
        assert path.read_text() == "text!"
    assert not path.exists()
    result.close()


def test_a_link_is_kept_as_what_it_leads_to(plugins: Path) -> None:
    with run(writing("TreeTask"), plugins_dir=plugins) as result:
        kept = result.artifacts["out"]
        assert kept.name == "link"
        assert (kept / "sub" / "leaf").read_text() == "text"


def test_artifacts_stay_where_they_are_in_a_given_directory(plugins: Path, tmp_path: Path) -> None:
    result = run(writing("NoteTask"), plugins_dir=plugins, working_dir=tmp_path / "work")
    result.close()
    assert result.artifacts == {"out": tmp_path / "work" / "out.note"}
    assert (tmp_path / "work" / "out.note").read_text() == "text"


def test_arguments_are_checked_by_the_task_s_own_schema(plugins: Path) -> None:
    with pytest.raises(InvalidDescriptionError) as caught:
        run(writing("NoteTask", mark=5), plugins_dir=plugins)
    assert any("artifact_outputs" in issue.path for issue in caught.value.issues)


def test_an_unknown_artifact_task_is_refused_before_anything_runs(plugins: Path) -> None:
    with pytest.raises(InvalidDescriptionError):
        run(writing("NoSuchTask"), plugins_dir=plugins)


def test_an_artifact_module_that_cannot_be_imported_fails_before_any_step(plugins: Path) -> None:
    (plugins / "arts" / "broken.py").write_text("1 / 0\nclass BrokenTask: pass\n")
    with pytest.raises(ArtifactFailedError) as caught:
        run(writing("BrokenTask"), plugins_dir=plugins)
    assert (caught.value.error_type, caught.value.artifact) == ("ZeroDivisionError", "out")
    assert (caught.value.detail.file, caught.value.detail.line) == ("arts/broken.py", 1)


def reading() -> dict[str, Any]:
    return graph({"s": {"give": "$note"}}, artifact_inputs={"note": {"text": "any"}})


def test_an_artifact_is_read_from_a_copy(plugins: Path, tmp_path: Path) -> None:
    (tmp_path / "a.note").write_text("hello")
    given = {"note": Artifact(tmp_path / "a.note", "arts.tasks.NoteTask")}
    result = run(reading(), {}, plugins, given)
    assert result.steps["s"]["value"] == "hello"
    assert (tmp_path / "a.note").read_text() == "hello"


def test_an_artifact_may_bring_its_own_version_of_a_plugin(
    plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other" / "arts"
    other.mkdir(parents=True)
    (other / "tasks.py").write_text(ARTIFACTS.replace("return text", "return text.upper()"))
    (tmp_path / "a.note").write_text("hello")
    monkeypatch.chdir(tmp_path)
    given = {"note": Artifact("a.note", "arts.tasks.NoteTask", plugins_dir="other")}
    assert run(reading(), {}, plugins, given).steps["s"]["value"] == "HELLO"


def test_an_artifact_file_that_is_missing_fails_the_run(plugins: Path, tmp_path: Path) -> None:
    given = {"note": Artifact(tmp_path / "none", "arts.tasks.NoteTask")}
    with pytest.raises(ArtifactFailedError) as caught:
        run(reading(), {}, plugins, given)
    assert (caught.value.error_type, caught.value.step) == ("FileNotFoundError", "artifacts.note")


def test_an_artifact_for_no_parameter_is_ignored_with_a_warning(
    plugins: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = {"typo": Artifact(tmp_path / "none", "arts.tasks.NoteTask")}
    run(graph({"s": {"give": 1}}), {}, plugins, given)
    assert "'typo'" in caplog.text


def test_errors_name_what_is_wrong(plugins: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidDescriptionError) as invalid:
        run(graph({"s": {"nope": 1}, "t": {"give": "$x"}}), plugins_dir=plugins)
    assert {issue.path.split(".")[2] for issue in invalid.value.issues} >= {"s"}
    with pytest.raises(MissingParametersError):
        run(graph({"s": {"give": 1}}, parameters={"p": {"type": "any"}}), plugins_dir=plugins)
    with pytest.raises(NotFoundError, match="plugins directory"):
        run(graph({"s": {"give": 1}}), plugins_dir=tmp_path / "nowhere")


def test_ctrl_c_stops_the_run(plugins: Path) -> None:
    before = Path.cwd()
    with pytest.raises(KeyboardInterrupt):
        run(graph({"s": {"interrupt": []}}), plugins_dir=plugins)
    assert Path.cwd() == before


def test_an_observer_hears_of_steps(plugins: Path, tmp_path: Path) -> None:
    heard: list[str] = []

    class Listener:
        step_started: Callable[[str], None] = heard.append
        step_finished: Callable[[str], None] = heard.append

        def step_failed(self, step: str, error: StepFailedError) -> None:
            heard.append(error.error_type)

    work = tmp_path / "work"
    (work / "below").mkdir(parents=True)  # no room for the directory that `disturb` makes
    description = graph({"a": {"give": 1}, "b": {"disturb": [], "dependencies": "a"}})
    with pytest.raises(StepFailedError):
        run(description, plugins_dir=plugins, working_dir=work, observer=Listener())
    assert heard == ["a", "a", "b", "FileExistsError"]
