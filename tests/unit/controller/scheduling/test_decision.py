from typing import Any

from dioptra_controller.scheduling.decision import (
    Grant,
    QueueRule,
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


def test_a_queue_of_higher_priority_goes_first() -> None:
    rules = {"high": QueueRule(priority=5), "low": QueueRule(priority=-1)}
    jobs = [job(1, "low"), job(2, "q"), job(3, "high")]
    sweeps = [sweep(1, 2, queue="high"), sweep(2, 1, queue="low")]
    grants = decide([room("r", 9, "*")], jobs, sweeps, rules=rules)
    assert names(grants) == ["j3", "s1", "s1", "j2", "j1", "s2"]
    assert names(decide([room("r", 2, "*")], jobs, sweeps, rules=rules)) == ["j3", "s1"]


def test_a_priority_counts_only_where_a_runner_serves_the_queue() -> None:
    rules = {"high": QueueRule(priority=5)}
    runners = [room("a", 0, "high"), room("b", 1, "q")]
    grants = decide(runners, [job(1), job(2, "high")], [], rules=rules)
    assert [(grant.runner_id, grant.job_id) for grant in grants] == [("b", 1)]


def test_no_queue_runs_more_jobs_than_it_may() -> None:
    rules = {"q": QueueRule(limit=3, running=1), "full": QueueRule(limit=2, running=2)}
    jobs = [job(1), job(2, "full"), job(3)]
    grants = decide([room("a", 5, "*"), room("b", 5, "q")], jobs, [sweep(1, 9)], rules=rules)
    assert names(grants) == ["j1", "j3"], "trials count as jobs"
    grants = decide([room("a", 9, "*")], [], [sweep(1, 9, running=1)], rules=rules)
    assert names(grants) == ["s1", "s1"]


def test_a_full_queue_of_high_priority_holds_nobody_up() -> None:
    rules = {"high": QueueRule(priority=5, limit=1)}
    jobs = [job(1, "high"), job(2, "high"), job(3)]
    assert names(decide([room("r", 3, "*")], jobs, [], rules=rules)) == ["j1", "j3"]


def test_a_runner_of_all_queues_serves_any() -> None:
    runners = [room("all", 1, "*"), room("some", 2, "x")]
    grants = decide(runners, [job(1, "x"), job(2, "new"), job(3, "x")], [])
    assert [(grant.runner_id, grant.job_id) for grant in grants] == [
        ("some", 1),
        ("all", 2),
        ("some", 3),
    ]
