"""Values of every kind that cross from one stage to another, on a real Ray."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("plugins") / "crossing.py"

pytestmark = pytest.mark.asyncio(loop_scope="session")

TASKS = {
    "make": (["case"], "value"),
    "check": (["case", "value"], None),
    "refuse": (["case"], "value"),
    "forgetful": ([], "value"),
    "take": (["value"], None),
}


def _keys(name):
    """The keys of a dictionary of the plugin, without running it."""
    for node in ast.parse(SOURCE.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return tuple(ast.literal_eval(key) for key in node.value.keys)
    raise AssertionError(name)


CASES, REFUSED = _keys("CASES"), _keys("REFUSED")


def apart(taker):
    """Has all takers run in another process than the makers."""
    return {"steps": {name: {"memory": 1_000_000} for name in taker}}


@pytest.fixture(scope="session")
def sources():
    return {"p": SOURCE.read_text()}


@pytest.fixture(scope="session")
def crossed(lab, describe, sources):
    """One job with all cases: what its checks said."""
    ran = {}

    async def get():
        if not ran:
            graph = {f"make_{case}": {"make": [case]} for case in CASES}
            takers = {f"check_{c}": {"check": [c, f"$make_{c}"]} for c in CASES}
            description = describe(graph | takers, TASKS, execution=apart(takers))
            ended, job = await lab.run(description, sources)
            ran["ended"] = ended
            ran["stages"] = job.plan.stages
            ran["metrics"] = {metric.name: metric.value for metric in job.metrics}
            ran["said"] = "\n".join(line.message for line in job.logs)
        return ran

    return get


@pytest.mark.parametrize("case", CASES)
async def test_it_crosses(crossed, case):
    ran = await crossed()
    assert ran["ended"].outcome == "finished", ran["ended"].failure.message
    assert ran["metrics"][case] == 1.0, ran["said"]


async def test_no_value_was_checked_where_it_was_made(crossed):
    steps = [set(stage.steps) for stage in (await crossed())["stages"]]
    for case in CASES:
        assert not any({f"make_{case}", f"check_{case}"} <= together for together in steps)


@pytest.mark.parametrize("kind", REFUSED)
async def test_what_cannot_leave_is_explained(lab, describe, sources, kind):
    graph = {"odd": {"refuse": [kind]}, "end": {"take": "$odd"}}
    ended, _ = await lab.run(describe(graph, TASKS, execution=apart(["end"])), sources)
    failure = ended.failure
    assert (failure.reason, failure.step) == ("NOT_PICKLABLE", "odd")
    assert kind in failure.message
    assert "run together" in failure.message
    assert "picklable" in failure.message


async def test_what_cannot_arrive_is_explained(lab, describe, sources):
    graph = {"odd": {"forgetful": {}}, "end": {"take": "$odd"}}
    ended, _ = await lab.run(describe(graph, TASKS, execution=apart(["end"])), sources)
    failure = ended.failure
    assert (failure.reason, failure.step) == ("NOT_PICKLABLE", "odd")
    assert "(Forgetful)" in failure.message
    assert "RuntimeError: not here" in failure.message
    assert "run together" in failure.message
    assert "picklable" in failure.message
