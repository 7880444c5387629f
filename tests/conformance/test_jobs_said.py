"""Metrics and server-side validation of jobs.jsonl, and the whole jobs of e2e.jsonl.

The recordings hold what Dioptra answered, not all that it was asked; what can be compared is
the rule behind each answer. Where we differ on purpose, the test says so and why. The one
case of logs (`log_post`) holds only what Dioptra's sanitiser left of them (B11, fixed here):
tests/integration/jobs/test_lifecycle.py holds us to storing messages as they are said.
"""

import datetime as dt
import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest

from dioptra_ray import alias, local
from dioptra_ray.context import CurrentJob, MetricPoint, bind, is_metric_name
from dioptra_ray.engine.errors import StepFailedError
from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.language import validate
from dioptra_ray.project import compose, read_project
from dioptra_ray.wire.jobs import MetricPoint as Logged
from dioptra_ray.wire.jobs import read_series

CASES = Path(__file__).parent / "cases"
JOBS = [json.loads(line) for line in (CASES / "jobs.jsonl").read_text().splitlines()]
WHOLE = [json.loads(line) for line in (CASES / "e2e.jsonl").read_text().splitlines()]


def of(kind: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in JOBS if case["kind"] == kind]


@pytest.fixture
def points() -> list[MetricPoint]:
    alias.install()
    return []


@pytest.mark.parametrize("case", of("metric_post"))
def test_a_metric_is_taken_or_refused(case: dict[str, Any], points: list[MetricPoint]) -> None:
    from dioptra.sdk.utilities.auth_client import (  # noqa: PLC0415 - there once it is installed
        get_authenticated_worker_client,
    )

    with bind(CurrentJob(id=7, metric_sink=points.append)):
        client = get_authenticated_worker_client(logging.getLogger(), "json")
        given = {"metric_name": case["name"], "metric_value": float(case["value"])}
        if case["http"] == 200:
            client.jobs.append_metric_by_id(job_id="7", metric_step=case["step"], **given)
            (point,) = points
            assert (point.name, point.step) == (case["name"], case["step"] or 0)
            recorded = float(case["body"]["value"])
            assert point.value == recorded or math.isnan(point.value) == math.isnan(recorded)
        else:
            with pytest.raises((InvalidRequestError, ValueError, TypeError)):
                client.jobs.append_metric_by_id(job_id="7", metric_step=case["step"], **given)
            assert points == []


@pytest.mark.parametrize("case", of("metric_history"))
def test_the_latest_value_is_that_of_the_highest_step(case: dict[str, Any]) -> None:
    (recorded,) = (entry["body"] for entry in JOBS if entry["kind"] == "metric_latest")
    latest = {one["name"]: float(one["value"]) for one in recorded}
    assert all(map(is_metric_name, latest))
    now = dt.datetime.now(dt.UTC)
    points = [
        Logged(name=one["name"], step=one["step"], value=one["value"], time=now, graph_step="s")
        for one in case["body"]
    ]
    series = read_series(points[::-1])[case["name"]]
    assert [point.step for point in series] == [one["step"] for one in case["body"]]
    assert series.last == latest[case["name"]]


@pytest.mark.parametrize("case", of("validate_entrypoint"))
def test_validation_by_the_server(case: dict[str, Any]) -> None:
    verdict = {
        "empty graph": lambda: not validate({"tasks": {"t": {"plugin": "a.b"}}, "graph": None}),
        "mapping parameter without default": lambda: _composes('type = "mapping"'),
        "list parameter with default": lambda: _composes('type = "list"\ndefault_value = "[1]"'),
    }[case["title"]]()
    # B8 is fixed: a mapping parameter needs no default.
    expected = case["body"]["schemaValid"] or case["title"] == "mapping parameter without default"
    assert verdict is expected


def _composes(parameter: str) -> bool:
    files = {
        "dioptra.toml": '[[plugins]]\npath = "p"\n[[entrypoints]]\npath = "e.yaml"\nname = "e"\n'
        f'plugins = ["p"]\n[[entrypoints.params]]\nname = "l"\n{parameter}\n',
        "e.yaml": "graph: {s: {t: $l}}\n",
        "p/tasks.py": "from dioptra import pyplugs\n\n@pyplugs.register\ndef t(x): ...\n",
    }
    project = read_project({path: text.encode() for path, text in files.items()})
    (entrypoint,) = project.entrypoints
    composed = compose.compose_description(entrypoint, plugins=project.plugins, types=project.types)
    return not [issue for issue in composed.issues if issue.severity == "error"]


WRITER = """
import json
from dioptra.sdk.api.artifact import ArtifactTaskInterface

class JsonA(ArtifactTaskInterface):
    @staticmethod
    def serialize(working_dir, name, contents, **kwargs):
        path = working_dir / f"{name}.json"
        path.write_text(json.dumps(contents))
        return path

    @staticmethod
    def deserialize(working_dir, path, **kwargs):
        place = working_dir / path
        return sorted(p.name for p in place.iterdir()) if place.is_dir() else place.read_text()

    @staticmethod
    def validation():
        return {}
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    for name, text in {"fplug": FUNCTIONS, "aplug": WRITER}.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "tasks.py").write_text(text)
    return folder


FUNCTIONS = """
from dioptra import pyplugs

@pyplugs.register
def shadow():
    return "shadow"

@pyplugs.register
def boom():
    raise ValueError("boom")

@pyplugs.register
def ident(x):
    return x
"""


def describe(task: str, **sections: Any) -> dict[str, Any]:
    inputs = [{"x": "any"}] if task == "ident" else []
    return {
        "tasks": {
            task: {"plugin": f"fplug.tasks.{task}", "inputs": inputs, "outputs": {"out": "any"}}
        },
        **sections,
    }


def whole(title: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in WHOLE if case["title"] == title]


def test_every_whole_job_is_looked_at() -> None:
    assert {case["title"] for case in WHOLE} == {"shadow", "boom", "use_named"}


@pytest.mark.parametrize("case", whole("shadow"))
def test_a_whole_job_and_its_artifact(case: dict[str, Any], plugins: Path) -> None:
    output = {"contents": "$s1", "task": {"name": "JsonA"}}
    description = describe("shadow", graph={"s1": {"shadow": {}}}, artifact_outputs={"out": output})
    (recorded,) = case["artifacts"]
    with local.run(description, plugins_dir=plugins) as result:
        made = result.artifacts["out"]
        assert f"out/{made.name}" == recorded["uri_tail"]
        assert made.is_dir() is recorded["isDir"]
        assert made.read_text() == recorded["text"]


@pytest.mark.parametrize("case", whole("boom"))
def test_a_whole_job_that_fails(case: dict[str, Any], plugins: Path) -> None:
    output = {"contents": "$s1", "task": {"name": "JsonA"}}
    description = describe("boom", graph={"s1": {"boom": {}}}, artifact_outputs={"out": output})
    with pytest.raises(StepFailedError) as failed:
        local.run(description, plugins_dir=plugins)
    assert f"{failed.value.error_type}: {failed.value.detail.message}" == case["outcome"]
    assert case["artifacts"] == []


@pytest.mark.parametrize("case", whole("use_named"))
def test_a_whole_job_that_names_what_it_reads(case: dict[str, Any], plugins: Path) -> None:
    # B3 is fixed: Dioptra takes the names of the artifact task and fails, we take those that
    # the entrypoint declares. e10 read a file, e11 a directory.
    assert case["outcome"].startswith("ArtifactOutputNotFoundError")
    given = plugins.parent / "given"
    if any(path.endswith("/tree") for path in case["left_in_cwd"]):
        given.mkdir()
        (given / "a.txt").write_text("a")
        expected: Any = ["a.txt"]
    else:
        given.write_text("text")
        expected = "text"
    description = describe(
        "ident", artifact_inputs={"a": {"mine": "any"}}, graph={"s1": {"ident": "$a.mine"}}
    )
    artifacts = {"a": local.Artifact(given, "aplug.tasks.JsonA")}
    with local.run(description, plugins_dir=plugins, artifacts=artifacts) as result:
        assert result.steps["s1"]["out"] == expected
