"""Jobs of several stages: what runs apart, and what crosses."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

PARALLEL = {"parallel": True}

MEETING = """
    import os, time
    from pathlib import Path
    from dioptra import pyplugs
    from dioptra_ray import current_job

    @pyplugs.register
    def start(folder):
        return folder

    @pyplugs.register
    def meet(folder, me, other):
        '''Returns only when the other step runs at the same time.'''
        (Path(folder) / me).touch()
        deadline = time.monotonic() + 30
        while not (Path(folder) / other).exists():
            assert time.monotonic() < deadline, "nobody came"
            time.sleep(0.01)
        return os.getpid()

    @pyplugs.register
    def follow(pid):
        return pid == os.getpid()

    @pyplugs.register
    def judge(left, right, left_stayed, right_stayed):
        job = current_job()
        job.log_metric("pids", len({left, right}))
        job.log_metric("stayed", left_stayed + right_stayed)
"""
MEETING_TASKS = {
    "start": (["folder"], "folder"),
    "meet": (["folder", "me", "other"], "pid"),
    "follow": (["pid"], "same"),
    "judge": (["left", "right", "left_stayed", "right_stayed"], None),
}


async def test_parallel_branches_run_at_once_and_chains_stay(lab, describe, tmp_path):
    graph = {
        "begin": {"start": str(tmp_path)},
        "left": {"meet": ["$begin", "left", "right"]},
        "right": {"meet": ["$begin", "right", "left"]},
        "left_after": {"follow": "$left"},
        "right_after": {"follow": "$right"},
        "end": {"judge": ["$left", "$right", "$left_after", "$right_after"]},
    }
    description = describe(graph, MEETING_TASKS, execution=PARALLEL)
    ended, job = await lab.run(description, {"p": MEETING})
    assert ended.outcome == "finished", ended
    assert job.metric("pids") == 2
    assert job.metric("stayed") == 2
    assert lab.left_behind() == []


CROSSING = """
    import os
    from dataclasses import dataclass
    from dioptra import pyplugs
    from dioptra_ray import current_job

    @dataclass
    class Box:
        items: list

    @pyplugs.register
    def make():
        import numpy as np
        with open("made.txt", "w") as file:
            file.write("by make")
        os.symlink(os.path.abspath("made.txt"), "link.txt")
        return np.zeros(300_000), Box([1, None, (2, 3)])

    @pyplugs.register
    def change(array, box):
        array[0] = 1
        box.items.append("changed")
        return float(array[0]) * array.flags.writeable

    @pyplugs.register
    def generate():
        return (n for n in range(3))

    @pyplugs.register
    def look(*values):
        job = current_job()
        job.log_metric("total", sum(values))
        job.log_metric("files", sum(os.path.exists(name) for name in ("made.txt", "link.txt")))

    @pyplugs.register
    def crash():
        os._exit(1)

    @pyplugs.register
    def crash_once(marker):
        if not os.path.exists(marker):
            open(marker, "w").close()
            os._exit(1)
        return 5
"""
CROSSING_TASKS = {
    "change": (["array", "box"], "value"),
    "generate": ([], "values"),
    "look": (["a", "b"], None),
    "crash": ([], "nothing"),
    "crash_once": (["marker"], "value"),
}


def crossing(describe, graph, **sections):
    description = describe(graph, CROSSING_TASKS, execution=PARALLEL, **sections)
    description["tasks"]["make"] = {
        "plugin": "p.tasks.make",
        "outputs": [{"array": "any"}, {"box": "any"}],
    }
    return description


async def test_values_and_files_cross_and_stay_changeable(lab, describe):
    graph = {
        "made": {"make": {}},
        "left": {"change": ["$made.array", "$made.box"]},
        "right": {"change": ["$made.array", "$made.box"]},
        "end": {"look": ["$left", "$right"]},
    }
    ended, job = await lab.run(crossing(describe, graph), {"p": CROSSING})
    assert ended.outcome == "finished", ended
    assert len(job.plan.stages) > 1
    assert job.metric("total") == 2.0
    assert job.metric("files") == 2


async def test_a_value_that_cannot_cross_is_explained(lab, describe):
    graph = {
        "odd": {"generate": {}},
        "left": {"look": ["$odd", 1]},
        "right": {"look": ["$odd", 2]},
    }
    ended, job = await lab.run(crossing(describe, graph), {"p": CROSSING})
    failure = ended.failure
    assert (failure.reason, failure.step) == ("NOT_PICKLABLE", "odd")
    assert "generator" in failure.message
    assert "run together" in failure.message
    assert ("left", "skipped") in job.phases


async def test_what_follows_a_dead_process_is_skipped(lab, describe):
    graph = {
        "dead": {"crash": {}},
        "left": {"look": ["$dead", 1]},
        "right": {"look": ["$dead", 2]},
    }
    ended, job = await lab.run(crossing(describe, graph), {"p": CROSSING})
    assert (ended.failure.reason, ended.failure.step) == ("PROCESS_DIED", "dead")
    assert job.phases == [
        ("dead", "running"),
        ("dead", "failed"),
        ("left", "skipped"),
        ("right", "skipped"),
    ]


async def test_a_stage_is_repeated_when_retries_are_declared(lab, describe, tmp_path):
    graph = {
        "shaky": {"crash_once": str(tmp_path / "marker")},
        "left": {"look": ["$shaky", 1]},
        "right": {"look": ["$shaky", 2]},
    }
    description = crossing(describe, graph)
    description["execution"] = {"parallel": True, "steps": {"shaky": {"retries": 2}}}
    ended, job = await lab.run(description, {"p": CROSSING})
    assert ended.outcome == "finished", ended
    assert [phase for step, phase in job.phases if step == "shaky"] == [
        "running",
        "failed",
        "running",
        "finished",
    ]
    assert sorted(metric.value for metric in job.metrics if metric.name == "total") == [6.0, 7.0]
