"""Every run recorded from Dioptra goes the same way here."""

import logging
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from dioptra_ray.engine import (
    Execution,
    MissingParametersError,
    StepFailedError,
    read_artifact,
    resolve_parameters,
)
from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.language.graph import (
    StepNotFoundError,
    StepReferenceCycleError,
    execution_order,
)
from dioptra_ray.local import Artifact, run
from dioptra_ray.plugins.activation import PluginSet, activate, forget
from tests.conformance.encoding import encode
from tests.conformance.run_cases import (
    ENGINE_ONLY,
    PLUGINS,
    VALID,
    Case,
    content_of,
    expectation,
    lay_out_artifact,
    title,
)

JOB_FILES = {"parameters.json", "artifact_parameters.json", "entrypoint.yml"}


def lay_out_artifacts(case: Case, folder: Path) -> dict[str, Artifact]:
    return {
        name: Artifact(
            lay_out_artifact(artifact, folder / name), f"arith_artifacts.tasks.{artifact['task']}"
        )
        for name, artifact in case.get("artifact_params", {}).items()
    }


def files_in(folder: Path) -> list[str]:
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in files if not name.startswith(".dioptra/"))


def check_error(error: Exception, expected: dict[str, Any]) -> None:
    if isinstance(error, MissingParametersError):
        assert expected["error"] == "MissingGlobalParametersError"
        assert ", ".join(error.names) in expected["message"]
        return
    assert isinstance(error, StepFailedError)
    assert error.error_type == expected["error"]
    assert encode(error.steps) == expected["steps"]
    if expected["step"] is not None:
        assert error.step == expected["step"]


def count_warnings(caplog: pytest.LogCaptureFixture) -> int:
    """What the engine warned of; validation has warnings of its own that Dioptra lacks."""
    return sum(
        record.levelno == logging.WARNING and record.name.startswith("dioptra_ray.engine")
        for record in caplog.records
    )


@pytest.mark.parametrize("case", VALID, ids=title)
def test_run(
    case: Case,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("__JOB_ID", "42")  # as it was when the cases were recorded
    expected = expectation(case)
    artifacts = lay_out_artifacts(case, tmp_path / "given")
    directory = tmp_path / "work"

    def start() -> Any:
        return run(case["desc"], case["parameters"], PLUGINS, artifacts, directory)

    if "error" in expected:
        with pytest.raises((StepFailedError, MissingParametersError)) as caught:
            start()
        check_error(caught.value, expected)
        return
    result = start()
    assert encode(result.steps) == expected["steps"]
    assert result.parameters == expected["parameters"]
    assert result.order == case["order"]
    made = expected.get("artifacts", [])
    assert list(result.artifacts) == [artifact["name"] for artifact in made]
    for artifact in made:
        path = result.artifacts[artifact["name"]]
        assert path.relative_to(directory).as_posix() == artifact["path"]
        assert content_of(path).items() <= artifact.items()
    assert sorted(set(files_in(directory)) - JOB_FILES) == expected.get("cwd_files", [])
    assert count_warnings(caplog) == len(expected.get("warnings", []))


@pytest.mark.parametrize("case", ENGINE_ONLY, ids=title)
def test_a_job_refuses_what_validation_rejects(case: Case, tmp_path: Path) -> None:
    artifacts = lay_out_artifacts(case, tmp_path / "given")
    with pytest.raises(InvalidDescriptionError) as caught:
        run(case["desc"], case["parameters"], PLUGINS, artifacts, tmp_path / "work")
    assert [issue for issue in caught.value.issues if issue.severity == "error"]
    assert files_in(tmp_path / "work") == []


@pytest.mark.parametrize("case", ENGINE_ONLY, ids=title)
def test_engine_without_validation(case: Case, tmp_path: Path) -> None:
    description, expected = case["desc"], expectation(case)
    artifacts = lay_out_artifacts(case, tmp_path / "given")
    plugin_set = PluginSet(key=str(uuid4()), root=PLUGINS)
    with activate(plugin_set):
        values = {
            name: read_artifact(
                artifact.task,
                working_dir=Path(artifact.path).parent,
                path=Path(artifact.path).name,
                output_names=case["artifact_params"][name]["outputs"],
                name=name,
            )
            for name, artifact in artifacts.items()
        }
        execution = Execution(
            description,
            parameters=resolve_parameters(description, case["parameters"]),
            artifacts=values,
            working_dir=tmp_path,
            artifact_tasks={},
        )
        if expected.get("error") in ("StepReferenceCycleError", "StepNotFoundError"):
            with pytest.raises((StepReferenceCycleError, StepNotFoundError)) as refused:
                execution_order(description)
            assert type(refused.value).__name__ == expected["error"]
        elif "error" in expected:
            with pytest.raises(StepFailedError) as failed:
                run_all(execution, description)
            check_error(failed.value, expected)
        else:
            assert run_all(execution, description) == case["order"]
            assert encode(execution.outputs) == expected["steps"]
    forget(plugin_set.key)


def run_all(execution: Execution, description: dict[str, Any]) -> list[str]:
    order = execution_order(description)
    for step in order:
        execution.run_step(step)
    return order
