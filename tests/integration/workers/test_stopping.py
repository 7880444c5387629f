"""Jobs that are stopped: on request, at their timeout, willing or not."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENDLESS = """
    import ctypes, time
    from dioptra import pyplugs

    @pyplugs.register
    def sleep():
        time.sleep(600)

    @pyplugs.register
    def compute():
        n = 0
        while True:
            n += 1

    @pyplugs.register
    def stubborn():
        while True:
            try:
                time.sleep(600)
            except BaseException:
                pass

    @pyplugs.register
    def native():
        libc = ctypes.PyDLL(None)
        time.sleep(0.5)     # so that it is known to run before it holds the GIL
        libc.sleep(600)
        libc.sleep(600)
"""
TASKS = {name: ([], None) for name in ("sleep", "compute", "stubborn", "native")}


@pytest.mark.parametrize("task", list(TASKS))
async def test_cancel_ends_a_running_step(lab, describe, task):
    graph = {"long": {task: {}}, "later": {"sleep": {}, "dependencies": "long"}}
    job = lab.start(describe(graph, TASKS), {"p": ENDLESS})
    await job.until_running("long")
    lab.driver.cancel(job.lease)
    ended = await job.end()
    assert (ended.outcome, ended.failure) == ("cancelled", None)
    assert job.phases[1:] == [("long", "cancelled"), ("later", "skipped")]
    assert lab.left_behind() == []


@pytest.mark.parametrize("task", ["sleep", "stubborn"])
async def test_a_job_ends_at_its_timeout(lab, describe, task):
    ended, job = await lab.run(describe({"long": {task: {}}}, TASKS), {"p": ENDLESS}, timeout=0.5)
    assert (ended.outcome, ended.failure.reason) == ("failed", "TIMEOUT")
    assert ended.failure.step == "long"
    assert job.phases == [("long", "running"), ("long", "failed")]
    assert lab.left_behind() == []


@pytest.mark.parametrize("task", ["compute", "stubborn"])
async def test_a_stage_ends_at_its_timeout(lab, describe, task):
    execution = {"steps": {"long": {"timeout": 0.5, "parallel": True}}}
    description = describe({"long": {task: {}}}, TASKS, execution=execution)
    ended, job = await lab.run(description, {"p": ENDLESS})
    assert (ended.outcome, ended.failure.reason) == ("failed", "TIMEOUT")
    assert job.phases == [("long", "running"), ("long", "failed")]


PAIR = """
    import time
    from dioptra import pyplugs

    @pyplugs.register
    def quick():
        return 1

    @pyplugs.register
    def slow(value):
        time.sleep(600)

    @pyplugs.register
    def stubborn(value):
        while True:
            try:
                time.sleep(600)
            except BaseException:
                pass

    @pyplugs.register
    def deaf(value):
        try:
            time.sleep(600)
        except BaseException:
            return None
"""


@pytest.mark.parametrize("task", ["slow", "stubborn", "deaf"])
async def test_a_step_ends_at_its_own_timeout_in_a_stage_without_one(lab, describe, task):
    tasks = {"quick": ([], "value"), task: (["value"], None)}
    graph = {"first": {"quick": {}}, "late": {task: "$first"}}
    execution = {"steps": {"late": {"timeout": 0.3}}}
    job = lab.start(describe(graph, tasks, execution=execution), {"p": PAIR})
    (stage,) = job.plan.stages
    assert (stage.timeout, stage.step_timeouts) == (None, (("late", 0.3),))
    ended = await job.end()
    assert (ended.outcome, ended.failure.reason) == ("failed", "TIMEOUT")
    assert ended.failure.step == "late"
    assert "0.3 seconds" in ended.failure.message
    assert job.phases[-1] == ("late", "failed")
    assert lab.left_behind() == []


async def test_a_failure_stops_the_other_branch(lab, describe):
    source = (
        ENDLESS
        + """
    @pyplugs.register
    def fail():
        time.sleep(0.3)
        raise ValueError("soon")
    """
    )
    tasks = {**TASKS, "fail": ([], None)}
    description = describe(
        {"long": {"sleep": {}}, "bad": {"fail": {}}}, tasks, execution={"parallel": True}
    )
    ended, job = await lab.run(description, {"p": source})
    assert (ended.outcome, ended.failure.step) == ("failed", "bad")
    assert ("long", "cancelled") in job.phases or ("long", "skipped") in job.phases
    assert lab.left_behind() == []


async def test_a_cancelled_worker_process_serves_the_next_job(lab, describe):
    graph = {"long": {"sleep": {}}}
    job = lab.start(describe(graph, TASKS), {"p": ENDLESS})
    await job.until_running("long")
    lab.driver.cancel(job.lease)
    await job.end()
    quick = """
        from dioptra import pyplugs

        @pyplugs.register
        def hello():
            print("hello")
    """
    ended, job = await lab.run(describe({"a": {"hello": {}}}, {"hello": ([], None)}), {"p": quick})
    assert ended.outcome == "finished"
    assert [line.message for line in job.logs] == ["hello"]
