import datetime as dt

from dioptra_controller.jobs.state import JobState
from dioptra_controller.jobs.steps import (
    StepChange,
    StepState,
    StepStatus,
    change_step,
    interrupt,
    read_steps,
    untold,
    write_steps,
)

BEGIN = dt.datetime(2026, 1, 2, 3, 4, 5, 678901, dt.UTC)
END = BEGIN + dt.timedelta(seconds=1.5)


def change(state: StepState, time: dt.datetime = BEGIN, **fields: object) -> StepChange:
    return StepChange(step="a", state=state, time=time, **fields)  # type: ignore[arg-type]


def test_a_step_keeps_where_and_when_it_began() -> None:
    running = change_step(None, change(StepState.RUNNING, node="n", pid=7))
    done = change_step(running, change(StepState.FINISHED, END))
    assert done == StepStatus(
        state=StepState.FINISHED, start_time=BEGIN, end_time=END, node="n", pid=7
    )


def test_a_repeated_step_starts_again() -> None:
    failed = change_step(
        change_step(None, change(StepState.RUNNING)), change(StepState.FAILED, END)
    )
    again = change_step(failed, change(StepState.RUNNING, END))
    assert (again.start_time, again.end_time) == (END, None)


def test_a_skipped_step_has_no_times() -> None:
    assert change_step(None, change(StepState.SKIPPED)) == StepStatus(state=StepState.SKIPPED)


def test_what_still_ran_ends_with_its_job() -> None:
    steps = {
        "done": StepStatus(state=StepState.FINISHED),
        "busy": StepStatus(state=StepState.RUNNING, start_time=BEGIN),
    }
    for outcome, state in (
        (JobState.FAILED, StepState.FAILED),
        (JobState.CANCELLED, StepState.CANCELLED),
    ):
        ended = interrupt(steps, outcome, END)
        assert ended == {"busy": StepStatus(state=state, start_time=BEGIN, end_time=END)}


def test_what_nobody_spoke_of_follows_from_the_job() -> None:
    assert {state: untold(state) for state in JobState} == {
        JobState.QUEUED: StepState.PENDING,
        JobState.STARTED: StepState.PENDING,
        JobState.FINISHED: StepState.FINISHED,
        JobState.FAILED: StepState.SKIPPED,
        JobState.CANCELLED: StepState.SKIPPED,
    }


def test_steps_survive_being_written() -> None:
    steps = {
        "a": StepStatus(
            state=StepState.FINISHED, start_time=BEGIN, end_time=END, node="10.0.0.1", pid=12
        ),
        "b": StepStatus(state=StepState.SKIPPED),
    }
    assert read_steps(write_steps(steps)) == steps
    assert write_steps({}) is None
    assert read_steps(None) == {}


def test_what_a_step_took_is_kept_and_its_next_try_begins_anew() -> None:
    running = change_step(None, change(StepState.RUNNING, try_number=1, gpus=("0",)))
    failed = change_step(
        running,
        change(StepState.FAILED, END, cpu_seconds=1.5, peak_memory=2048, exit_reason="exit code 3"),
    )
    assert (failed.try_number, failed.gpus) == (1, ("0",))
    assert (failed.cpu_seconds, failed.peak_memory, failed.exit_reason) == (
        1.5,
        2048,
        "exit code 3",
    )
    assert read_steps(write_steps({"a": failed})) == {"a": failed}
    again = change_step(failed, change(StepState.RUNNING, END, try_number=2))
    assert (again.try_number, again.cpu_seconds, again.gpus, again.exit_reason) == (2, 0.0, (), "")


def test_what_was_written_before_there_were_details_is_read() -> None:
    old = '{"a":["finished",1.0,2.0,"n",7]}'
    assert read_steps(old)["a"].pid == 7
    assert write_steps(read_steps(old)) == old


def test_a_step_that_did_not_run_has_no_times() -> None:
    reused = change_step(None, change(StepState.FINISHED, END, exit_reason="reused from job 3"))
    assert (reused.start_time, reused.end_time) == (None, None)
    assert reused.exit_reason == "reused from job 3"
