"""Validation and step order against what Dioptra answered (cases/validation.jsonl, run.jsonl)."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dioptra_ray.language import Issue, validate
from dioptra_ray.language.graph import (
    StepNotFoundError,
    StepReferenceCycleError,
    execution_order,
    parse_reference,
)
from dioptra_ray.language.paths import to_json_path
from dioptra_ray.language.yaml_reader import read_yaml

FOLDER = Path(__file__).parent / "cases"
CASES = [json.loads(line) for line in (FOLDER / "validation.jsonl").read_text().splitlines()]
RUN_CASES = [json.loads(line) for line in (FOLDER / "run.jsonl").read_text().splitlines()]

# Cases in which we differ from Dioptra on purpose: what we add and what we leave out.
EXPECTED_DIFFERENCES: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]], str]] = {
    "v0267": (
        [("warning", "name.ambiguous")],
        [],
        "B26: a bare reference could mean a step or an artifact input; Dioptra says nothing",
    ),
    "v1034": (
        [],
        [("error", "ref.step_output_name_needed@step")],
        'B1: Dioptra also reads "$..." under `dependencies` as a reference',
    ),
}
RUN_EXPECTED_DIFFERENCES = {
    "r087": (
        [("error", "ref.parameter_with_output@step")],
        "B21: Dioptra's validation raises KeyError for `$param.`",
    ),
    "r165": ([("warning", "name.ambiguous")], "B26: as v0267"),
}


def description_of(case: dict[str, Any]) -> Any:
    return read_yaml(case["desc_yaml"]).value if "desc_yaml" in case else case["desc"]


def kinds_of(issues: list[Issue]) -> Counter[tuple[str, str]]:
    return Counter((issue.severity, issue.code) for issue in issues)


def is_valid(issues: list[Issue]) -> bool:
    return all(issue.severity != "error" for issue in issues)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
def test_issues(case: dict[str, Any]) -> None:
    issues = validate(description_of(case), case["artifact_tasks"])
    assert is_valid(issues) == case["valid"]
    if "raises" in case:
        return
    expected = Counter((issue["severity"].lower(), issue["kind"]) for issue in case["issues"])
    if case["id"] in EXPECTED_DIFFERENCES:
        more, fewer, _ = EXPECTED_DIFFERENCES[case["id"]]
        expected = expected + Counter(more) - Counter(fewer)
    assert kinds_of(issues) == expected


def test_schema_issues_are_where_dioptra_finds_them() -> None:
    """Our paths lead to the same place, or further in."""
    for case in CASES:
        wanted = [issue["path"] for issue in case["issues"] if issue["kind"] == "schema"]
        found = [i.path for i in validate(description_of(case), case["artifact_tasks"])]
        for place in wanted:
            assert any(path.startswith(to_json_path(place)) for path in found), case["id"]


def test_expected_differences_are_of_cases_that_exist() -> None:
    assert EXPECTED_DIFFERENCES.keys() <= {case["id"] for case in CASES}
    assert RUN_EXPECTED_DIFFERENCES.keys() <= {case["id"] for case in RUN_CASES}


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in RUN_CASES])
def test_issues_of_run_cases(case: dict[str, Any]) -> None:
    description = case["desc"]
    outputs = description.get("artifact_outputs", {})
    artifact_tasks = {output["task"]["name"]: None for output in outputs.values()}
    issues = validate(description, artifact_tasks)
    assert is_valid(issues) == case["valid"]
    more, _ = RUN_EXPECTED_DIFFERENCES.get(case["id"], ([], ""))
    expected = Counter(case["issue_kinds"]) + Counter(code for _, code in more)
    assert Counter(issue.code for issue in issues) == expected


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in RUN_CASES])
def test_step_order(case: dict[str, Any]) -> None:
    if case["order"] is not None:
        assert execution_order(case["desc"]) == case["order"]
        return
    with pytest.raises((StepNotFoundError, StepReferenceCycleError)) as caught:
        execution_order(case["desc"])
    assert type(caught.value).__name__ == case["expect"]["error"]


def test_a_bare_dollar_is_text() -> None:
    """The corner that the lookup rules of the cases rest on."""
    assert parse_reference("$") is None
