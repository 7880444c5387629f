"""What one job does to its process is no other job's misfortune."""

import pytest

from dioptra_workers.runner.orders import StageWaits

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOURCE = """
    import builtins, json, os, sys, time
    from dioptra import pyplugs
    from dioptra_ray import current_job

    @pyplugs.register
    def pid():
        current_job().log_metric("pid", os.getpid())

    @pyplugs.register
    def patch():
        json.dumps = None
        builtins.open = None
        sys.meta_path.clear()

    @pyplugs.register
    def break_ours():
        import dioptra_workers.stage.run as ours
        def broken(*_):
            raise RuntimeError("broken by a job")
        ours.write_job_files.__code__ = broken.__code__

    @pyplugs.register
    def close_stream():
        sys.stdout.close()

    @pyplugs.register
    def close_descriptors():
        os.close(0)
        os.close(1)
        os.close(2)

    @pyplugs.register
    def die_later():
        import threading
        def die():
            os._exit(9)
        threading.Timer(0.3, die).start()
"""
NAMES = ("pid", "patch", "break_ours", "close_stream", "close_descriptors", "die_later")
TASKS = {name: ([], None) for name in NAMES}
ON_RAY = {"execution": {"steps": {"a": {"num_cpus": 0.5}}}}
"""Not for the warm pool."""


@pytest.mark.parametrize("sections", [{}, ON_RAY], ids=["warm", "ray"])
@pytest.mark.parametrize("bad", NAMES[1:])
async def test_a_job_that_ruins_its_process_fails_no_other_job(lab, describe, bad, sections):
    graph = {"a": {bad: {}}}
    for _ in range(3):
        ended, _ = await lab.run(describe(graph, TASKS, **sections), {"p": SOURCE})
        assert ended.outcome == "finished", ended
    jobs = [
        lab.start(describe({"a": {"pid": {}}}, TASKS, **sections), {"p": SOURCE}) for _ in range(8)
    ]
    ends = [await job.end() for job in jobs]
    assert [ended.outcome for ended in ends] == ["finished"] * 8, ends


async def test_a_job_that_no_node_can_hold_says_so(lab, describe):
    description = describe({"a": {"pid": {}}}, TASKS, execution={"steps": {"a": {"num_gpus": 4}}})
    job = lab.start(description, {"p": SOURCE})
    await job.until(lambda event: "GPU=4; no node has it" in getattr(event, "message", ""))
    lab.driver.cancel(job.lease)
    assert (await job.end()).outcome == "cancelled"
    short = "waits for GPU=4; no node has it (largest: GPU=0)"
    assert [(line.level, line.message) for line in job.logs] == [
        ("WARNING", f"Stage s0 {short}."),
        ("WARNING", "Stage s0 waits no more for what no node has had."),
    ]
    waits = [event for event in job.events if isinstance(event, StageWaits)]
    assert waits == [StageWaits("s0", short), StageWaits("s0", "")]
