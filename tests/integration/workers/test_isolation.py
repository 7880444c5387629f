"""Stages with a process of their own, forked from a warm template."""

import os
import threading

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOURCE = """
    import os, sys, threading, time
    from pathlib import Path
    import numpy
    from dioptra import pyplugs
    from dioptra.sdk.api.artifact import ArtifactTaskInterface
    from dioptra_ray import current_job

    COUNT = []

    @pyplugs.register
    def look(*values):
        COUNT.append(1)
        log = current_job().log_metric
        log("pid", os.getpid())
        log("parent", os.getppid())
        log("count", len(COUNT))
        log("dirty", float("DIRTY" in os.environ))
        log("main", float(threading.current_thread() is threading.main_thread()))
        log("random", numpy.random.rand())
        log("ray", float(__import__("ray").is_initialized()))
        os.environ["DIRTY"] = "yes"
        sys.modules["spoiled"] = sys
        numpy.spoiled = getattr(numpy, "spoiled", 0) + 1
        log("spoiled", numpy.spoiled)
        Path("said.txt").write_text("said")
        return 1

    @pyplugs.register
    def vanish(gate=""):
        print("last words")
        os._exit(3)

    @pyplugs.register
    def sleep():
        print("pid", os.getpid())
        time.sleep(600)

    @pyplugs.register
    def stubborn():
        print("pid", os.getpid())
        while True:
            try:
                time.sleep(600)
            except BaseException:
                pass

    @pyplugs.register
    def big():
        return numpy.arange(300_000)

    @pyplugs.register
    def total(values):
        values += 1
        current_job().log_metric("total", float(values.sum()))

    @pyplugs.register
    def train():
        import torch
        weights = torch.ones(64, 64, requires_grad=True)
        (weights @ weights).sum().backward()
        current_job().log_metric("loss", float(weights.grad.sum()))
        current_job().log_metric("threads", torch.get_num_threads())

    class Text(ArtifactTaskInterface):
        @staticmethod
        def serialize(working_dir, name, contents, **kwargs):
            return working_dir / "said.txt"

        @staticmethod
        def deserialize(working_dir, path, **kwargs):
            return (Path(working_dir) / path).read_text()

        @staticmethod
        def validation():
            return None
"""
TASKS = {
    "look": (["value"], "done"),
    "vanish": ([], None),
    "sleep": ([], None),
    "stubborn": ([], None),
    "big": ([], "values"),
    "total": (["values"], None),
    "train": ([], None),
}


def isolated(describe, graph, **sections):
    execution = {"isolation": "process", **sections.pop("execution", {})}
    return describe(graph, TASKS, execution=execution, **sections)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until_gone(pid):
    timer = threading.Event()
    for _ in range(500):
        if not is_alive(pid):
            return True
        timer.wait(0.01)
    return False


def pid_said(job):
    return int(job.logs[0].message.split()[1])


async def test_every_stage_is_fresh(lab, describe):
    pids, randoms = set(), set()
    for _ in range(4):
        ended, job = await lab.run(isolated(describe, {"a": {"look": {}}}), {"p": SOURCE})
        assert ended.outcome == "finished", ended.failure
        pids.add(job.metric("pid"))
        randoms.add(job.metric("random"))
        seen = {name: job.metric(name) for name in ("count", "dirty", "main", "ray", "spoiled")}
        assert seen == {"count": 1, "dirty": 0, "main": 1, "ray": 0, "spoiled": 1}
    assert (len(pids), len(randoms)) == (4, 4)
    for pid in pids:
        assert await until_gone(int(pid))
    assert lab.left_behind() == []


async def test_values_files_and_artifacts_cross_isolated_stages(lab, describe):
    description = isolated(
        describe,
        {"a": {"big": {}}, "b": {"total": "$a"}, "c": {"look": "$a"}},
        execution={"parallel": True},
        artifact_outputs={"text": {"contents": "$c", "task": {"name": "Text"}}},
    )
    ended, job = await lab.run(description, {"p": SOURCE}, artifact_tasks={"Text": "p.tasks.Text"})
    assert ended.outcome == "finished", ended.failure
    assert len(job.plan.stages) > 1
    assert job.metric("total") == sum(range(300_000)) + 300_000
    (stored,) = ended.artifacts
    assert lab.store.read_manifest(stored.key).size == 4


async def test_a_crash_costs_the_stage_only_and_its_last_words_are_known(lab, describe):
    ended, job = await lab.run(isolated(describe, {"a": {"vanish": {}}}), {"p": SOURCE})
    assert (ended.outcome, ended.failure.reason) == ("failed", "PROCESS_DIED")
    assert ended.failure.step == "a"
    assert ended.failure.exit_reason == "exit code 3"
    assert [line.message for line in job.logs] == ["last words"]
    assert job.phases == [("a", "running"), ("a", "failed")]
    assert lab.left_behind() == []


@pytest.mark.parametrize("task", ["sleep", "stubborn"])
async def test_cancel_ends_the_fresh_process(lab, describe, task):
    job = lab.start(isolated(describe, {"a": {task: {}}}), {"p": SOURCE})
    await job.until(lambda event: getattr(event, "message", "").startswith("pid"))
    lab.driver.cancel(job.lease)
    ended = await job.end()
    assert (ended.outcome, ended.failure) == ("cancelled", None)
    assert await until_gone(pid_said(job))
    assert lab.left_behind() == []


@pytest.mark.parametrize("task", ["sleep", "stubborn"])
async def test_a_step_timeout_ends_the_fresh_process(lab, describe, task):
    execution = {"steps": {"a": {"timeout": 0.4}}}
    description = isolated(describe, {"a": {task: {}}}, execution=execution)
    ended, job = await lab.run(description, {"p": SOURCE})
    assert (ended.outcome, ended.failure.reason) == ("failed", "TIMEOUT")
    assert ended.failure.step == "a"
    assert await until_gone(pid_said(job))


async def test_torch_works_in_a_fresh_process_whose_template_has_imported_it(lab, describe):
    source = "    import torch\n" + SOURCE
    for _ in range(2):
        ended, job = await lab.run(isolated(describe, {"a": {"train": {}}}), {"p": source})
        assert ended.outcome == "finished", ended.failure
        assert job.metric("loss") == 2 * 64 * 64 * 64
