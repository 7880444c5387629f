import pytest

from dioptra_controller.jobs.state import IllegalTransitionError, JobLife, JobState

QUEUED = JobLife()
STARTED = QUEUED.lease("r1")
ENDED = [STARTED.end(state) for state in JobState if state.is_final]


def test_a_lease_begins_the_next_attempt() -> None:
    assert (STARTED.state, STARTED.attempt, STARTED.runner_id) == (JobState.STARTED, 1, "r1")
    assert STARTED.lose_runner().lease("r2").attempt == 2


def test_only_the_holder_of_the_present_attempt_is_believed() -> None:
    assert STARTED.is_leased_by("r1", 1)
    assert not STARTED.is_leased_by("r2", 1)
    assert not STARTED.is_leased_by("r1", 2)
    assert not STARTED.lose_runner().is_leased_by("r1", 1)
    assert not any(life.is_leased_by("r1", 1) for life in ENDED)


def test_a_queued_job_is_cancelled_at_once_and_a_started_one_by_its_runner() -> None:
    assert QUEUED.request_cancel().state is JobState.CANCELLED
    asked = STARTED.request_cancel()
    assert (asked.state, asked.cancel_requested) == (JobState.STARTED, True)
    assert asked.request_cancel() == asked
    assert asked.lose_runner().state is JobState.CANCELLED
    assert asked.end(JobState.FINISHED).state is JobState.FINISHED


def test_a_lost_runner_costs_an_attempt_until_there_are_none_left() -> None:
    life = QUEUED
    for _ in range(3):
        life = life.lease("r").lose_runner(max_attempts=3)
    assert (life.state, life.attempt) == (JobState.FAILED, 3)


def test_an_ended_job_has_no_lease_and_never_changes() -> None:
    for life in ENDED:
        assert life.runner_id is None
        with pytest.raises(IllegalTransitionError):
            life.lease("r")
        with pytest.raises(IllegalTransitionError):
            life.end(JobState.FAILED)
        with pytest.raises(IllegalTransitionError):
            life.lose_runner()
    assert STARTED.end(JobState.CANCELLED).request_cancel().state is JobState.CANCELLED
    for outcome in (JobState.FINISHED, JobState.FAILED):
        with pytest.raises(IllegalTransitionError, match=f"has {outcome} already"):
            STARTED.end(outcome).request_cancel()


def test_a_job_ends_only_in_a_final_state() -> None:
    for state in (JobState.QUEUED, JobState.STARTED):
        with pytest.raises(IllegalTransitionError):
            STARTED.end(state)
    with pytest.raises(IllegalTransitionError):
        QUEUED.end(JobState.FINISHED)


def test_handing_back_queues_without_a_limit_and_obeys_a_cancellation() -> None:
    life = QUEUED
    for _ in range(10):
        life = life.lease("r").hand_back()
    assert (life.state, life.attempt, life.runner_id) == (JobState.QUEUED, 10, None)
    assert STARTED.request_cancel().hand_back().state is JobState.CANCELLED
    with pytest.raises(IllegalTransitionError):
        QUEUED.hand_back()
