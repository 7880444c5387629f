"""Which references the runner keeps, and which stages it repeats."""

import pytest

from dioptra_ray.planning.plan import Plan, Stage, StageInput
from dioptra_ray.store.saved_stages import SavedOutputs
from dioptra_workers.runner.orders import JobOrder
from dioptra_workers.runner.outputs import released
from dioptra_workers.runner.recovery import to_repeat
from dioptra_workers.runner.stages import arguments, first_states, release
from dioptra_workers.stage.request import JobContext, Places
from dioptra_workers.stage.saved import Reused


def after(name, *before, takes=None, exports=True):
    """A stage whose one step is named as it is, after all of `before`."""
    return Stage(
        name=name,
        steps=(name,),
        inputs=tuple(StageInput(stage=other, step=other) for other in takes or ()),
        after=before,
        workspace=before,
        exports=(name,) if exports else (),
    )


CHAIN = (
    after("s0"),
    after("s1", "s0", takes=["s0"]),
    after("s2", "s0", "s1", takes=["s1"]),
    after("s3", "s0", "s1", "s2", takes=["s2"], exports=False),
)
DIAMOND = (
    after("s0"),
    after("s1", "s0", takes=["s0"]),
    after("s2", "s0", takes=["s0"]),
    after("s3", "s0", "s1", "s2", takes=["s1", "s2"], exports=False),
)


@pytest.fixture
def run():
    def make(stages):
        plan = Plan(description={}, stages=stages)
        order = JobOrder(job=JobContext(job_id=1, attempt=1), plan=plan, plan_digest="x")
        states = first_states(order, Places(store_url="", scratch_dir=""))
        for name, state in states.items():
            parts = ["report", "gate", *state.stage.exports, "delta"][: state.request.num_returns]
            state.returns = [f"{name}.{part}" for part in parts]
        return states

    return make


def finish(states, *names):
    for name in names:
        states[name].outcome = "finished"
        release(states)


def again(states, name):
    finished = {other for other, state in states.items() if state.outcome == "finished"}
    return to_repeat(
        [state.needs for state in states.values()],
        {name},
        have_all=finished - {name},
        missing=released(states.values()),
    )


def test_values_are_kept_until_their_last_taker_has_ended(run):
    states = run(DIAMOND)
    finish(states, "s0", "s1")
    assert states["s0"].export("s0") == "s0.s0"
    finish(states, "s2")
    assert states["s0"].export("s0") is None
    assert arguments(states["s3"], states) == [
        "s0.gate", "s1.gate", "s2.gate", "s1.s1", "s2.s2", "s0.delta", "s1.delta", "s2.delta",
    ]  # fmt: skip
    finish(states, "s3")
    assert [states[name].delta for name in ("s0", "s1", "s2")] == [None] * 3


def test_a_stage_is_repeated_with_all_that_follow_it(run):
    states = run(CHAIN)
    finish(states, "s0")
    assert again(states, "s1") == ["s1", "s2", "s3"]


def test_what_was_released_is_made_again_as_far_back_as_it_takes(run):
    states = run(CHAIN)
    finish(states, "s0", "s1")
    assert states["s0"].has_released("s0")
    assert again(states, "s2") == ["s2", "s3"]
    assert again(states, "s1") == ["s0", "s1", "s2", "s3"]


def test_only_what_is_needed_is_made_again(run):
    states = run(DIAMOND)
    finish(states, "s0", "s1", "s2")
    assert again(states, "s3") == ["s3"]
    # What is made again may be another, so s2 must not keep what it made of the first.
    assert again(states, "s1") == ["s0", "s1", "s2", "s3"]


def test_what_an_earlier_job_has_kept_needs_nobody(run):
    states = run(CHAIN)
    states["s1"].reused = Reused(job_id=7, outputs=SavedOutputs())
    finish(states, "s0", "s1")
    assert again(states, "s1") == ["s1", "s2", "s3"]
