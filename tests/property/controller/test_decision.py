from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dioptra_controller.scheduling.decision import (
    NO_RULE,
    SINGLES_IN_A_ROW,
    QueueRule,
    RunnerRoom,
    WaitingJob,
    WaitingSweep,
    decide,
)

QUEUES = st.sampled_from("xyz")
SERVED = st.one_of(st.frozensets(QUEUES), st.just(frozenset("*")))
RUNNERS = st.lists(st.tuples(SERVED, st.integers(0, 5)), max_size=4).map(
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
RULES = st.dictionaries(
    QUEUES,
    st.builds(
        QueueRule,
        priority=st.integers(-2, 2),
        limit=st.integers(0, 4),
        running=st.integers(0, 5),
    ),
)


def serves(runner: RunnerRoom, queue: str) -> bool:
    return bool({queue, "*"} & runner.queues)


@given(RUNNERS, JOBS, SWEEPS, RULES, st.integers(0, 4))
def test_a_decision_is_legal_and_leaves_nothing_that_fits(
    runners: list[RunnerRoom],
    jobs: list[WaitingJob],
    sweeps: list[WaitingSweep],
    rules: dict[str, QueueRule],
    before: int,
) -> None:
    grants = decide(runners, jobs, sweeps, rules=rules, singles_in_a_row=before)
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
    queues = [
        sweeps[grant.sweep_id or 0].queue if grant.job_id is None else queue_of[grant.job_id]
        for grant in grants
    ]
    for grant, queue in zip(grants, queues, strict=True):
        assert serves(rooms[grant.runner_id], queue)
    # No queue beyond its limit, unless it was before.
    for queue, rule in rules.items():
        if rule.limit:
            assert queues.count(queue) <= max(0, rule.limit - rule.running)
    # A runner with room left has nothing left to do.
    left = {queue for job_id, queue in queue_of.items() if job_id not in given_jobs}
    left |= {sweep.queue for sweep in sweeps if made[sweep.sweep_id] < sweep.unmade}
    for queue in left:
        rule = rules.get(queue, NO_RULE)
        if not rule.limit or rule.running + queues.count(queue) < rule.limit:
            for runner in runners:
                assert used[runner.runner_id] == runner.free or not serves(runner, queue)


@given(st.integers(0, 9), JOBS, SWEEPS, RULES)
def test_nothing_goes_before_what_has_a_higher_priority_and_could_go(
    free: int, jobs: list[WaitingJob], sweeps: list[WaitingSweep], rules: dict[str, QueueRule]
) -> None:
    room = RunnerRoom(runner_id="r", queues=frozenset("*"), free=free)
    queue_of = {job.job_id: job.queue for job in jobs}
    queue_of |= {job_id: sweep.queue for sweep in sweeps for job_id in sweep.repeated}
    granted = [
        sweeps[grant.sweep_id or 0].queue if grant.job_id is None else queue_of[grant.job_id]
        for grant in decide([room], jobs, sweeps, rules=rules)
    ]
    priorities = [rules.get(queue, NO_RULE).priority for queue in granted]
    assert priorities == sorted(priorities, reverse=True)


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
