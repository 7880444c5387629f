"""What is told of each step: what it took, where it ran, and how it ended."""

import pytest

from dioptra_workers.stage.events import StepChanged

pytestmark = pytest.mark.asyncio(loop_scope="session")

MIB = 1024**2
SOURCE = """
    import os, signal, subprocess, sys, time
    from pathlib import Path
    from dioptra import pyplugs

    @pyplugs.register
    def greedy():
        held = b"1" * (200 * 1024**2)
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass
        return len(held)

    @pyplugs.register
    def modest():
        return 1

    @pyplugs.register
    def delegate():
        burn = "import time\\nwhile time.process_time() < 0.3: pass"
        subprocess.run([sys.executable, "-c", burn], check=True)

    @pyplugs.register
    def throw():
        raise ValueError("no")

    @pyplugs.register
    def leave():
        sys.exit(3)

    @pyplugs.register
    def vanish():
        os._exit(4)

    @pyplugs.register
    def crash():
        os.kill(os.getpid(), signal.SIGSEGV)

    @pyplugs.register
    def kill():
        os.kill(os.getpid(), signal.SIGKILL)

    @pyplugs.register
    def sleep():
        time.sleep(600)

    @pyplugs.register
    def second_time(path):
        if not Path(path).exists():
            Path(path).touch()
            raise OSError("not yet")
"""
TASKS = {
    name: ([], None)
    for name in ("modest", "delegate", "throw", "leave", "vanish", "crash", "kill", "sleep")
}
TASKS["greedy"] = ([], "size")
TASKS["second_time"] = (["path"], None)


def of(job, step: str) -> list[StepChanged]:
    return [e for e in job.events if isinstance(e, StepChanged) and e.step == step]


async def test_a_step_says_what_it_took_of_its_node(lab, describe):
    graph = {
        "greedy": {"greedy": {}},
        "modest": {"modest": {}, "dependencies": "greedy"},
        "delegate": {"delegate": {}, "dependencies": "modest"},
    }
    _, job = await lab.run(describe(graph, TASKS), {"p": SOURCE})
    (begun, greedy), (_, modest), (_, delegate) = (of(job, name) for name in graph)
    assert (begun.phase, begun.cpu_seconds, begun.peak_memory) == ("running", 0, 0)
    assert greedy.phase == "finished"
    assert greedy.cpu_seconds >= 0.3
    assert greedy.peak_memory > 200 * MIB
    # Not what the process has had before, and not what another step has burnt.
    assert 0 < modest.peak_memory < greedy.peak_memory - 150 * MIB
    assert modest.cpu_seconds < greedy.cpu_seconds
    assert delegate.cpu_seconds >= 0.3
    assert {change.try_number for name in graph for change in of(job, name)} == {1}


HOW = {
    "throw": "raised ValueError",
    "leave": "exit code 3",
    "vanish": "exit code 4",
    "crash": "signal 11 (SIGSEGV)",
    "kill": "crashed or killed",
}


@pytest.mark.parametrize("isolation", ["shared", "process"])
@pytest.mark.parametrize("task", list(HOW))
async def test_a_step_says_how_it_ended(lab, describe, task, isolation):
    execution = {} if isolation == "shared" else {"execution": {"isolation": "process"}}
    _, job = await lab.run(describe({"bad": {task: {}}}, TASKS, **execution), {"p": SOURCE})
    begun, ended = of(job, "bad")
    assert (begun.phase, begun.exit_reason) == ("running", "")
    # Of a process of its own, which we have forked, we learn how it ended whatever it was.
    known = isolation == "process" and task == "kill"
    how = "signal 9 (SIGKILL)" if known else HOW[task]
    assert (ended.phase, ended.exit_reason, ended.try_number) == ("failed", how, 1)


@pytest.mark.parametrize("parallel", [True, False])
async def test_a_step_that_is_stopped_says_why(lab, describe, parallel):
    own: dict[str, object] = {"parallel": True} if parallel else {}
    execution = {"steps": {"long": {"timeout": 0.5, **own}}}
    _, job = await lab.run(
        describe({"long": {"sleep": {}}}, TASKS, execution=execution), {"p": SOURCE}
    )
    assert of(job, "long")[-1].exit_reason == "timeout"
    job = lab.start(describe({"long": {"sleep": {}}}, TASKS), {"p": SOURCE})
    await job.until_running("long")
    lab.driver.cancel(job.lease)
    await job.end()
    assert of(job, "long")[-1].exit_reason == "cancelled"


async def test_each_try_is_told(lab, describe, tmp_path):
    execution = {"steps": {"flaky": {"retries": 1, "parallel": True}}}
    graph = {"flaky": {"second_time": str(tmp_path / "was-here")}}
    ended, job = await lab.run(describe(graph, TASKS, execution=execution), {"p": SOURCE})
    assert ended.outcome == "finished"
    told = [(one.phase, one.try_number, one.exit_reason) for one in of(job, "flaky")]
    assert told == [
        ("running", 1, ""),
        ("failed", 1, "raised OSError"),
        ("running", 2, ""),
        ("finished", 2, ""),
    ]
