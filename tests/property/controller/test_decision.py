from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dioptra_controller.scheduling.decision import (
    SINGLES_IN_A_ROW,
    RunnerRoom,
    WaitingJob,
    WaitingSweep,
    decide,
)

QUEUES = st.sampled_from("xyz")
RUNNERS = st.lists(st.tuples(st.frozensets(QUEUES), st.integers(0, 5)), max_size=4).map(
    lambda items: [
        RunnerRoom(runner_id=f"r{i}", queues=queues, free=free)
        for i, (queues, free) in enumerate(items)
    ]
)
JOBS = st.lists(QUEUES, max_size=12).map(
    lambda queues: [WaitingJob(job_id=i, queue=queue) for i, queue in enumerate(queues)]
)
SWEEPS = st.lists(
    st.tuples(QUEUES, st.integers(0, 5), st.integers(0, 3), st.integers(0, 6)), max_size=3
).map(
    lambda items: [
        WaitingSweep(
            sweep_id=i,
            queue=queue,
            running=running,
            repeated=tuple(1000 * (i + 1) + k for k in range(repeated)),
            unmade=unmade,
        )
        for i, (queue, running, repeated, unmade) in enumerate(items)
    ]
)


@given(RUNNERS, JOBS, SWEEPS, st.integers(0, 4))
def test_a_decision_is_legal_and_leaves_nothing_that_fits(
    runners: list[RunnerRoom], jobs: list[WaitingJob], sweeps: list[WaitingSweep], before: int
) -> None:
    grants = decide(runners, jobs, sweeps, singles_in_a_row=before)
    rooms = {runner.runner_id: runner for runner in runners}
    queue_of = {job.job_id: job.queue for job in jobs}
    queue_of |= {job_id: sweep.queue for sweep in sweeps for job_id in sweep.repeated}
    given_jobs = [grant.job_id for grant in grants if grant.job_id is not None]
    made = Counter(grant.sweep_id for grant in grants if grant.job_id is None)
    used = Counter(grant.runner_id for grant in grants)
    # Nothing twice, nothing that is not there, nothing beyond the room, nothing astray.
    assert len(given_jobs) == len(set(given_jobs))
    for sweep in sweeps:
        assert made[sweep.sweep_id] <= sweep.unmade
    for runner_id, count in used.items():
        assert count <= rooms[runner_id].free
    for grant in grants:
        queue = (
            sweeps[grant.sweep_id or 0].queue if grant.job_id is None else queue_of[grant.job_id]
        )
        assert queue in rooms[grant.runner_id].queues
    # A runner with room left has nothing left to do.
    left = {queue for job_id, queue in queue_of.items() if job_id not in given_jobs}
    left |= {sweep.queue for sweep in sweeps if made[sweep.sweep_id] < sweep.unmade}
    for runner in runners:
        if used[runner.runner_id] < runner.free:
            assert not left & runner.queues


@given(RUNNERS, JOBS, SWEEPS)
def test_single_jobs_of_a_queue_keep_their_order(
    runners: list[RunnerRoom], jobs: list[WaitingJob], sweeps: list[WaitingSweep]
) -> None:
    grants = decide(runners, jobs, sweeps)
    for queue in "xyz":
        waiting = [job.job_id for job in jobs if job.queue == queue]
        granted = [
            grant.job_id for grant in grants if grant.sweep_id is None and grant.job_id in waiting
        ]
        assert granted == waiting[: len(granted)]


@given(st.integers(1, 12), st.integers(1, 20), st.integers(1, 20))
def test_neither_jobs_nor_sweeps_starve(free: int, jobs: int, unmade: int) -> None:
    sweep = WaitingSweep(sweep_id=1, queue="x", running=0, repeated=(), unmade=unmade)
    waiting = [WaitingJob(job_id=i, queue="x") for i in range(jobs)]
    room = RunnerRoom(runner_id="r", queues=frozenset("x"), free=free)
    kinds = "".join(
        "j" if grant.sweep_id is None else "t" for grant in decide([room], waiting, [sweep])
    )
    assert kinds[0] == "j"
    trials = min(unmade, kinds.count("t"))
    if trials < unmade:
        assert "j" * (SINGLES_IN_A_ROW + 1) not in kinds
    if kinds.count("j") < jobs:
        assert "tt" not in kinds
