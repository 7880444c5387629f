"""Signatures read from source, against those that Dioptra reported for the same source."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from dioptra_ray.plugins.signatures import FunctionSignature, analyze

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "signatures.jsonl").read_text().splitlines()
]


def as_dioptra_reports(function: FunctionSignature) -> dict[str, Any]:
    return {
        "name": function.name,
        "inputs": [
            {"name": given.name, "type": given.type, "required": given.required}
            for given in function.inputs
        ],
        "outputs": [{"name": output.name, "type": output.type} for output in function.outputs],
        "suggested_types": [
            {"suggestion": missing.name, "type_annotation": missing.annotation}
            for missing in function.missing_types
        ],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']} {case['title']}")
def test_signatures_are_dioptras(case: dict[str, Any]) -> None:
    found = analyze(case["source"], file="tasks.py")
    if case["id"] == "sig54" and sys.version_info >= (3, 12):
        # Recorded on Python 3.11, to which `def f[T](...)` is a syntax error.
        assert [function.name for function in found.functions] == ["f"]
    elif "raises" in case:
        assert [issue.code for issue in found.issues] == ["python.syntax"]
    else:
        assert found.issues == ()
        assert [as_dioptra_reports(one) for one in found.functions] == case["signatures"]


def test_there_are_cases() -> None:
    assert len(CASES) >= 32
