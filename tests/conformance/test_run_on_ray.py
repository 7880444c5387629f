"""Every run recorded from Dioptra goes the same way through controller, runner and Ray.

Of a job that fails, only the steps that finished can be seen, not what they returned.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dioptra_ray import Client, embedded
from dioptra_ray.client.job import Job
from dioptra_ray.errors import InvalidDescriptionError, NotFoundError
from tests.conformance.encoding import encode
from tests.conformance.run_cases import VALID, Case, content_of, expectation, title
from tests.conformance.submitting import (
    Submitted,
    is_recorded,
    read_files,
    read_steps,
    register_plugins,
    submit,
)

CHECKED = "the parameters of a job are checked when it is made, as Dioptra's REST service does"

# What is seen before there is a job: id -> (why, what is said about it).
REFUSED: dict[str, tuple[str, list[str]]] = {
    "r095": (CHECKED, ["'p' (integer) has no default", "'q' (integer) has no default"]),
    "r096": (CHECKED, ["'p' (integer) has no default"]),
    "r097": (CHECKED, ["'p' (integer) has no default"]),
    "r104": (CHECKED, ["None is null, but integer is wanted"]),
    "r105": (CHECKED, ["has no parameter 'z'", "has no parameter 'y'"]),
    "r107": (CHECKED, ["'not an integer' is string, but integer is wanted"]),
    "r108": (CHECKED, ["'5' is string, but integer is wanted"]),
    "r111": (CHECKED, ["has no parameter 'a'"]),
    "r162": ("artifacts name a task that exists when they are stored", ["NoSuchArtifactTask"]),
    "r163": ("so are its artifact parameters", ["'a' is not given"]),
}
# What a job shows in another way: id -> (why, what is different).
SHOWN: dict[str, tuple[str, dict[str, Any]]] = {
    "r141": (
        "a job shows the parameters that it was given, not what steps made of them",
        {"parameters": {"p": [1]}},
    ),
    "r146": ("the id is that of the job", {"steps": {"a": {"value": "$JOB_ID"}}}),
}


@dataclass(frozen=True)
class Deployment:
    client: Client
    submitted: dict[str, Submitted]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One deployment, with the jobs of all cases in its queue at once."""
    state, folder = tmp_path_factory.mktemp("state"), tmp_path_factory.mktemp("given")
    embedded.up(state_dir=state)
    try:
        with Client(state_dir=state) as client:
            register_plugins(client)
            submitted = {
                case["id"]: submit(client, case, expected(case), folder / case["id"])
                for case in VALID
            }
            yield Deployment(client, submitted)
    finally:
        embedded.down(state_dir=state)


def expected(case: Case) -> dict[str, Any]:
    return {**expectation(case), **SHOWN.get(case["id"], ("", {}))[1]}


@pytest.mark.parametrize("case", VALID, ids=title)
def test_job(case: Case, deployment: Deployment, tmp_path: Path) -> None:
    submitted = deployment.submitted[case["id"]]
    if case["id"] in REFUSED:
        refusal = submitted.refusal
        assert isinstance(refusal, InvalidDescriptionError | NotFoundError)
        for part in REFUSED[case["id"]][1]:
            assert part in str(refusal)
        return
    assert submitted.refusal is None, submitted.refusal
    assert submitted.job is not None
    job = submitted.job.wait(60)
    outcome = expected(case)
    assert count_warnings(job) == len(outcome.get("warnings", []))
    if "error" in outcome:
        check_failure(job, outcome)
    else:
        assert job.status == "finished", job.failure
        check_end(job, case, outcome)
        check_artifacts(job, deployment.client, outcome, tmp_path)
        steps = read_steps(deployment.client, submitted, tmp_path)
        assert steps == named_after(job, {k: v for k, v in outcome["steps"].items() if v})
        files = set(read_files(deployment.client, submitted, tmp_path))
        assert sorted(files - job_files(case)) == outcome.get("cwd_files", [])


def test_no_job_sees_what_another_has_counted(deployment: Deployment, tmp_path: Path) -> None:
    counting = deployment.submitted["r143"]
    jobs = [deployment.client.jobs.submit("r143") for _ in range(8)]
    for job in jobs:
        assert job.wait(60).status == "finished", job.failure
        steps = read_steps(deployment.client, replace(counting, job=job), tmp_path / str(job.id))
        assert steps == {"a": {"value": 1}, "b": {"value": 2}, "c": {"value": 3}}


def check_failure(job: Job, outcome: dict[str, Any]) -> None:
    assert job.status == "failed"
    assert job.failure is not None
    assert job.failure.error_type == outcome["error"]
    finished = [name for name, step in job.steps.items() if step.status == "finished"]
    assert outcome["steps"].keys() <= set(finished)
    failed = [name for name, step in job.steps.items() if step.status == "failed"]
    if job.failure.reason == "ARTIFACT_FAILED":
        assert failed == []
        assert job.failure.step == ""
    else:
        assert failed == [job.failure.step]
        assert job.failure.step == (outcome["step"] or job.failure.step)


def check_end(job: Job, case: Case, outcome: dict[str, Any]) -> None:
    assert encode(dict(job.parameters)) == outcome["parameters"]
    assert list(job.steps) == case["order"]
    assert {step.status for step in job.steps.values()} == {"finished"}
    starts = [step.started for step in job.steps.values()]
    assert starts == sorted(starts)  # type: ignore[type-var]


def check_artifacts(job: Job, client: Client, outcome: dict[str, Any], folder: Path) -> None:
    made = {name: found for name, found in job.artifacts.items() if not is_recorded(name)}
    assert list(made) == [artifact["name"] for artifact in outcome.get("artifacts", [])]
    for artifact in outcome.get("artifacts", []):
        found = made[artifact["name"]]
        assert found.basename == Path(artifact["path"]).name
        assert found.task == f"arith_artifacts.tasks.{artifact['task']}"
        path = client.artifacts.download(found, folder / artifact["name"])
        assert content_of(path).items() <= artifact.items()


def named_after(job: Job, steps: Any) -> Any:
    """The expected values, with the job's id where it belongs."""
    if isinstance(steps, dict):
        return {key: named_after(job, value) for key, value in steps.items()}
    return str(job.id) if steps == "$JOB_ID" else steps


def job_files(case: Case) -> set[str]:
    return {"parameters.json", "artifact_parameters.json", f"{case['id']}.yml"}


def count_warnings(job: Job) -> int:
    return sum(
        record.level == "WARNING" and record.logger.startswith("dioptra_ray.engine")
        for record in job.logs
    )
