"""What a job no longer needs is freed while it still runs."""

import asyncio

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

MIB = 1 << 20
SOURCE = """
    import time, weakref
    from pathlib import Path
    from dioptra import pyplugs
    from dioptra_ray import current_job

    taken = []

    @pyplugs.register
    def make():
        import numpy as np
        return np.ones(64 * 1024 * 1024, dtype="uint8")

    def wait_for(marker):
        deadline = time.monotonic() + 60
        while not Path(marker).exists():
            assert time.monotonic() < deadline, "nobody came"
            time.sleep(0.01)

    @pyplugs.register
    def total(array, marker):
        wait_for(marker)
        return int(array.sum())

    @pyplugs.register
    def hold(value, marker):
        wait_for(marker)
        return value

    @pyplugs.register
    def take(array):
        taken.append(weakref.ref(array))
        return int(array[0])

    @pyplugs.register
    def look(value):
        current_job().log_metric("gone", taken[0]() is None)
"""
TASKS = {
    "make": ([], "array"),
    "total": (["array", "marker"], "value"),
    "hold": (["value", "marker"], "value"),
    "take": (["array"], "value"),
    "look": (["value"], None),
}


async def bytes_in_object_store():
    import ray  # noqa: PLC0415 - reads the environment, which is prepared by now
    from ray._private import internal_api  # noqa: PLC0415 - likewise

    state = internal_api.get_state_from_address(ray.get_runtime_context().gcs_address)
    reply = await asyncio.to_thread(internal_api.get_memory_info_reply, state)
    return reply.store_stats.object_store_bytes_used


async def test_values_leave_the_object_store_after_their_last_taker(lab, describe, tmp_path):
    graph = {
        "made": {"make": {}},
        "counted": {"total": ["$made", str(tmp_path / "count")]},
        "held": {"hold": ["$counted", str(tmp_path / "go")]},
    }
    # Different wishes keep the steps apart; one node fulfils them all.
    steps = {name: {"memory": 1_000_000 * n} for n, name in enumerate(graph, start=1)}
    before = await bytes_in_object_store()
    job = lab.start(describe(graph, TASKS, execution={"steps": steps}), {"p": SOURCE})
    assert len(job.plan.stages) == 3
    await job.until_running("counted")
    # Some of what jobs before it had may go only now.
    assert await bytes_in_object_store() >= before + 56 * MIB
    (tmp_path / "count").touch()
    await job.until_running("held")
    async with asyncio.timeout(30):
        while await bytes_in_object_store() >= before + 56 * MIB:
            pass  # asking takes its time
    (tmp_path / "go").touch()
    assert (await job.end()).outcome == "finished"


async def test_a_value_leaves_its_process_after_its_last_step(lab, describe):
    graph = {"made": {"make": {}}, "taken": {"take": "$made"}, "seen": {"look": "$taken"}}
    steps = {name: {"memory": 1_000_000} for name in ("taken", "seen")}
    ended, job = await lab.run(describe(graph, TASKS, execution={"steps": steps}), {"p": SOURCE})
    assert ended.outcome == "finished", ended
    assert [stage.steps for stage in job.plan.stages] == [("made",), ("taken", "seen")]
    assert job.metric("gone") == 1
