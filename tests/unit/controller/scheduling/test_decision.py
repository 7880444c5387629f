from typing import Any

from dioptra_controller.scheduling.decision import (
    Grant,
    RunnerRoom,
    WaitingJob,
    WaitingSweep,
    decide,
    singles_at_end,
)


def room(runner_id: str, free: int, *queues: str) -> RunnerRoom:
    return RunnerRoom(runner_id=runner_id, queues=frozenset(queues or ("q",)), free=free)


def job(job_id: int, queue: str = "q") -> WaitingJob:
    return WaitingJob(job_id=job_id, queue=queue)


def sweep(sweep_id: int, unmade: int, running: int = 0, **fields: Any) -> WaitingSweep:
    fields = {"queue": "q", "repeated": (), **fields}
    return WaitingSweep(sweep_id=sweep_id, unmade=unmade, running=running, **fields)


def names(grants: list[Grant]) -> list[str]:
    return [f"j{g.job_id}" if g.job_id is not None else f"s{g.sweep_id}" for g in grants]


def test_jobs_go_in_the_order_of_their_submission() -> None:
    assert names(decide([room("r", 2)], [job(3), job(4), job(5)], [])) == ["j3", "j4"]


def test_nothing_goes_to_a_runner_without_room_or_of_another_queue() -> None:
    assert decide([room("r", 0)], [job(1)], []) == []
    assert decide([room("r", 5, "other")], [job(1)], [sweep(1, 9)]) == []
    assert decide([], [job(1)], [sweep(1, 9)]) == []


def test_a_full_queue_does_not_hold_up_another() -> None:
    runners = [room("a", 1, "x"), room("b", 1, "y")]
    grants = decide(runners, [job(1, "x"), job(2, "x"), job(3, "y")], [])
    assert [(grant.runner_id, grant.job_id) for grant in grants] == [("a", 1), ("b", 3)]


def test_a_single_job_goes_before_any_sweep() -> None:
    assert names(decide([room("r", 2)], [job(9)], [sweep(1, 1000)])) == ["j9", "s1"]


def test_a_flood_of_single_jobs_does_not_stop_the_sweeps() -> None:
    grants = decide([room("r", 9)], [job(i) for i in range(1, 20)], [sweep(1, 1000)])
    assert names(grants) == ["j1", "j2", "j3", "s1", "j4", "j5", "j6", "s1", "j7"]
    assert singles_at_end(grants) == 1
    one_by_one = decide([room("r", 1)], [job(1)], [sweep(1, 5)], singles_in_a_row=3)
    assert names(one_by_one) == ["s1"]
    assert singles_at_end(one_by_one, 3) == 0


def test_the_sweep_with_the_fewest_running_trials_is_next() -> None:
    sweeps = [sweep(1, 100, running=3), sweep(2, 100, running=1)]
    assert names(decide([room("r", 5)], [], sweeps)) == ["s2", "s2", "s1", "s2", "s1"]


def test_trials_that_were_queued_again_go_before_new_ones() -> None:
    assert names(decide([room("r", 3)], [], [sweep(1, 5, repeated=(7, 8))])) == ["j7", "j8", "s1"]
    assert all(g.sweep_id == 1 for g in decide([room("r", 3)], [], [sweep(1, 5, repeated=(7,))]))


def test_work_is_spread_over_the_runners() -> None:
    grants = decide([room("a", 1), room("b", 3)], [job(i) for i in range(4)], [])
    assert [grant.runner_id for grant in grants] == ["b", "b", "a", "b"]
