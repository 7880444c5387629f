"""Plans and their pictures are as recorded.

Run with DIOPTRA_UPDATE_GOLDEN=1 to record them again, and read the difference.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from dioptra_ray.planning import PlanOptions, compile_plan
from dioptra_ray.planning.render import to_dot, to_mermaid, to_text
from tests.unit.planning.graphs import describe

GOLDEN = Path(__file__).with_name("golden")
STUDY = {
    "seed": [],
    "load": [],
    "train": ["load", "!seed"],
    "fgsm": ["train", "load", "!seed"],
    "pgd": ["train", "load", "!seed"],
    "report": ["fgsm", "pgd"],
}
ARTIFACTS = {"model": "$train", "table": "$report.o"}
GPU = {"num_gpus": 1, "retries": 2, "timeout": "2h"}
CASES: dict[str, tuple[dict[str, Any] | None, Any]] = {
    "bound": (None, "latency"),
    "parallel": ({"parallel": True}, "latency"),
    "gpu": ({"steps": {"train": GPU}}, "latency"),
    "gpu_parallel": ({"parallel": True, "steps": {"train": GPU}}, "latency"),
    "gpu_throughput": ({"parallel": True, "steps": {"train": GPU}}, "throughput"),
    "labels": ({"steps": {"pgd": {"labels": {"zone": '<b>"a"#1'}}}}, "latency"),
}
FORMS = {
    "json": lambda plan: plan.to_json() + "\n",
    "txt": to_text,
    "mmd": to_mermaid,
    "dot": to_dot,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", CASES)
def test_plan_is_as_recorded(case: str, form: str) -> None:
    execution, mode = CASES[case]
    plan = compile_plan(
        describe(STUDY, execution=execution, artifacts=ARTIFACTS),
        PlanOptions(mode=mode, artifact_tasks={"Save": "p.m.Save"}),
    )
    path = GOLDEN / f"{case}.{form}"
    text = FORMS[form](plan)
    if os.environ.get("DIOPTRA_UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()
