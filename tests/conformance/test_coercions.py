"""Parameter texts, against what Dioptra made of them."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from dioptra_ray.plugins.coerce import coerce

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "coercions.jsonl").read_text().splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']} {case['type']}")
def test_texts_become_dioptras_values(case: dict[str, Any]) -> None:
    if "raises" in case:
        with pytest.raises(ValueError):
            coerce(case["type"], case["text"])
        return
    value = coerce(case["type"], case["text"])
    assert type(value).__name__ == case["python_type"]
    expected = float(case["value"]) if isinstance(value, float) else case["value"]
    assert value == expected or (math.isnan(value) and math.isnan(expected))


def test_there_are_cases() -> None:
    assert len(CASES) >= 279
