"""What is tried again, and when; and what else must run again with a stage."""

import pytest

from dioptra_ray.planning.plan import Stage, StageInput, StepRetries
from dioptra_workers.runner.recovery import (
    LONGEST_DELAY,
    MOST_EXCUSES,
    MOST_LOSSES,
    Tries,
    backoff,
    judge,
    say_with,
    to_repeat,
)
from dioptra_workers.stage.request import StageFailure

RAISED = StageFailure(
    reason="STEP_RAISED",
    message="Step 'a' failed.",
    step="a",
    error_type="BrokenPipeError",
    classes=("builtins.BrokenPipeError", "builtins.ConnectionError", "builtins.OSError"),
)
LOST = StageFailure(reason="NODE_LOST", message="The node 10.0.0.7 was lost.", step="a")


def stage(**fields):
    return Stage(name="s0", steps=("a", "b"), **fields)


def retrying(*, step="a", most=2, **fields):
    return stage(retries=(StepRetries(step=step, most=most, **fields),))


def kind(*arguments, begun=True):
    again = judge(*arguments, begun=begun)
    return again and again.kind


def test_a_step_is_repeated_as_often_as_it_declares():
    assert kind(stage(), Tries(), RAISED) is None
    said = retrying(most=2)
    assert [kind(said, Tries(failed=n), RAISED) for n in range(3)] == ["failed", "failed", None]
    # What others in its process declare is not about it.
    assert kind(retrying(step="b"), Tries(), RAISED) is None
    # A failure of no step counts for whoever declares any.
    nobody = StageFailure(reason="STORE_UNAVAILABLE", message="no answer")
    assert kind(retrying(step="b"), Tries(), nobody) == "failed"


@pytest.mark.parametrize(
    ("on", "again"),
    [
        ((), True),
        (("BrokenPipeError",), True),
        (("ConnectionError",), True),
        (("builtins.OSError",), True),
        (("ValueError", "ConnectionError"), True),
        (("STEP_RAISED",), True),
        (("ValueError",), False),
        (("socket.ConnectionError",), False),
        (("PROCESS_DIED",), False),
    ],
)
def test_what_it_is_repeated_after_may_be_declared(on, again):
    assert (kind(retrying(on=on), Tries(), RAISED) == "failed") is again


def test_what_cannot_be_pickled_never_will():
    hopeless = StageFailure(reason="NOT_PICKLABLE", message="a generator", step="a")
    assert kind(retrying(), Tries(), hopeless) is None


def test_the_delay_is_doubled_up_to_a_limit():
    waits = [judge(retrying(most=9, delay=5), Tries(failed=n), RAISED, begun=True) for n in (0, 3)]
    assert [one and one.delay for one in waits] == [5.0, 40.0]
    assert backoff(5, 100, LONGEST_DELAY) == LONGEST_DELAY
    assert backoff(2 * LONGEST_DELAY, 3, LONGEST_DELAY) == 2 * LONGEST_DELAY
    assert backoff(0, 1000, LONGEST_DELAY) == 0


def test_a_lost_node_is_nobodys_fault_for_a_while():
    assert kind(stage(), Tries(), LOST) == "lost"
    assert kind(stage(), Tries(failed=9, excused=9, lost=MOST_LOSSES - 1), LOST) == "lost"
    assert kind(stage(), Tries(lost=MOST_LOSSES), LOST) is None
    # Losses are not counted against what was declared, and have a limit of their own.
    assert kind(retrying(), Tries(lost=MOST_LOSSES), RAISED) == "failed"
    assert kind(retrying(), Tries(lost=MOST_LOSSES), LOST) is None


def test_a_process_that_was_unfit_is_excused():
    died = StageFailure(reason="PROCESS_DIED", message="It died.", step="")
    assert kind(stage(), Tries(), died, begun=False) == "excused"
    assert kind(stage(), Tries(), died, begun=True) is None
    assert kind(stage(), Tries(excused=MOST_EXCUSES), died, begun=False) is None
    broken = StageFailure(reason="INTERNAL", message="!", error_type="OSError")
    assert kind(stage(), Tries(), broken) == "excused"


def graph(*, pure=()):
    """s0 -> s1 -> s2, and s0 -> s3: all take values and files."""

    def make(name, *before):
        return Stage(
            name=name,
            steps=(f"in_{name}",),
            exports=(f"in_{name}",),
            inputs=tuple(StageInput(stage=one, step=f"in_{one}") for one in before),
            after=before,
            workspace=before,
            pure=name in pure,
        )

    return (make("s0"), make("s1", "s0"), make("s2", "s0", "s1"), make("s3", "s0"))


def test_what_waits_for_a_repeated_stage_takes_what_is_made_anew():
    stages = graph()
    assert to_repeat(stages, {"s0"}, have_all=(), missing=()) == ["s0", "s1", "s2", "s3"]
    assert to_repeat(stages, {"s1"}, have_all={"s0"}, missing=()) == ["s1", "s2"]
    assert to_repeat(stages, {"s3"}, have_all={"s0", "s1"}, missing=()) == ["s3"]


def test_what_is_gone_is_made_again_as_far_back_as_it_takes():
    gone = {("s1", "in_s1"), ("s0", None)}
    done = {"s0", "s1"}
    assert to_repeat(graph(), {"s2"}, have_all=done, missing=gone) == ["s0", "s1", "s2", "s3"]
    only_files = {("s1", None)}
    assert to_repeat(graph(), {"s2"}, have_all=done, missing=only_files) == ["s1", "s2"]


def test_what_followed_pure_steps_stands():
    gone, done = {("s0", "in_s0")}, {"s0", "s1"}
    assert to_repeat(graph(), {"s3"}, have_all=done, missing=gone) == ["s0", "s1", "s2", "s3"]
    pure = graph(pure={"s0"})
    assert to_repeat(pure, {"s3"}, have_all=done, missing=gone) == ["s0", "s2", "s3"]


def test_what_runs_along_is_said():
    said = say_with(["s0", "s1", "s2"], {"s2"}, {("s0", None)})
    assert said == (
        "With it run again: s0 (what it made is gone), s1 (it takes what is made anew)."
    )
    assert say_with(["s2"], {"s2"}, set()) == ""
