"""Short jobs in warm processes, beside jobs that are Ray tasks."""

import asyncio

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOURCE = """
    import os, time
    from dioptra import pyplugs
    from dioptra_ray import current_job

    @pyplugs.register
    def pid():
        current_job().log_metric("pid", os.getpid())

    @pyplugs.register
    def nap():
        time.sleep(0.15)

    @pyplugs.register
    def vanish():
        if os.fork() == 0:
            time.sleep(3)      # keeps every descriptor of its parent open
            os._exit(0)
        os._exit(3)
"""
TASKS = {name: ([], None) for name in ("pid", "nap", "vanish")}


def spans(job):
    """When each of a job's steps began and ended."""
    begun = {e.step: e.time for e in job.events if getattr(e, "phase", "") == "running"}
    ended = {e.step: e.time for e in job.events if getattr(e, "phase", "") == "finished"}
    return [(begun[step], ended[step]) for step in begun]


async def test_jobs_share_few_processes(lab, describe):
    pids = set()
    for _ in range(6):
        ended, job = await lab.run(describe({"a": {"pid": {}}}, TASKS), {"p": SOURCE})
        assert ended.outcome == "finished"
        pids.add(job.metric("pid"))
    assert len(pids) <= 2


async def test_a_process_that_dies_costs_one_job_even_if_it_left_a_child(lab, describe):
    jobs = [lab.start(describe({"a": {"vanish": {}}}, TASKS), {"p": SOURCE}) for _ in range(2)]
    others = [lab.start(describe({"a": {"nap": {}}}, TASKS), {"p": SOURCE}) for _ in range(4)]
    for job in jobs:
        ended = await job.end()
        assert (ended.outcome, ended.failure.reason) == ("failed", "PROCESS_DIED")
        assert (ended.failure.step, job.phases[-1]) == ("a", ("a", "failed"))
    assert [(await job.end()).outcome for job in others] == ["finished"] * 4
    assert lab.left_behind() == []


async def test_neither_warm_jobs_nor_ray_tasks_starve_and_no_cpu_is_taken_twice(lab, describe):
    small = describe({"a": {"nap": {}}}, TASKS)
    large = describe({"a": {"nap": {}}}, TASKS, execution={"steps": {"a": {"num_cpus": 2}}})
    jobs = [lab.start(small, {"p": SOURCE}) for _ in range(6)]
    wide = [lab.start(large, {"p": SOURCE})]
    jobs += [lab.start(small, {"p": SOURCE}) for _ in range(6)]
    await asyncio.gather(*(job.task for job in wide[:1]))
    wide.append(lab.start(large, {"p": SOURCE}))
    jobs += [lab.start(small, {"p": SOURCE}) for _ in range(3)]
    ends = [await job.end() for job in (*jobs, *wide)]
    assert {ended.outcome for ended in ends} == {"finished"}
    taken = [(at, cpus) for job in jobs for at, cpus in changes(job, 1)]
    taken += [(at, cpus) for job in wide for at, cpus in changes(job, 2)]
    used = most = 0
    for _, cpus in sorted(taken):
        used += cpus
        most = max(most, used)
    assert most == 2


def changes(job, cpus):
    """By how much a job changes the number of CPUs in use, and when."""
    return [change for begin, end in spans(job) for change in ((begin, cpus), (end, -cpus))]


async def test_a_job_that_waits_for_a_process_can_be_cancelled(lab, describe):
    jobs = [lab.start(describe({"a": {"nap": {}}}, TASKS), {"p": SOURCE}) for _ in range(8)]
    await jobs[0].until_running("a")
    lab.driver.cancel(jobs[-1].lease)
    assert (await jobs[-1].end()).outcome == "cancelled"
    assert jobs[-1].phases == [("a", "skipped")]
    assert [(await job.end()).outcome for job in jobs[:-1]] == ["finished"] * 7


async def test_the_pool_comes_back_after_ray_tasks(lab, describe):
    graph = {"a": {"nap": {}}, "b": {"nap": {}}}
    parallel = describe(graph, TASKS, execution={"parallel": True})
    ended, job = await lab.run(parallel, {"p": SOURCE})
    assert ended.outcome == "finished"
    assert len(job.plan.stages) == 2
    pids = set()
    for _ in range(8):
        _, job = await lab.run(describe({"a": {"pid": {}}}, TASKS), {"p": SOURCE})
        pids.add(job.metric("pid"))
    assert len(pids) <= 4
