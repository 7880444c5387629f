"""What a running step says is seen while it runs, whoever says it, and survives a kill."""

import pytest

from dioptra_workers.stage.events import LogLine, MetricLogged

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOURCE = """
    import ctypes, logging, os, signal, subprocess, sys, threading, time, warnings
    from pathlib import Path

    import structlog
    from dioptra import pyplugs
    from dioptra_ray import current_job

    LOG = logging.getLogger("probe")

    @pyplugs.register
    def talk(until):
        print("printed")
        print("to stderr", file=sys.stderr)
        LOG.info("logged %d", 1)
        structlog.get_logger("probe.struct").info("structured", answer=42)
        warnings.warn("warned", stacklevel=1)
        current_job().log_metric("loss", 0.5, 1)
        subprocess.run(["sh", "-c", "echo from a child; echo and aside >&2"], check=True)
        os.write(1, b"raw\\n")
        ctypes.CDLL(None).puts(b"from C")
        thread = threading.Thread(target=lambda: print("from a thread"))
        thread.start()
        thread.join()
        print("unfinished", end="")
        while not Path(until).exists():
            time.sleep(0.01)
        print(" business")

    @pyplugs.register
    def talk_and_die(how):
        for number in range(500):
            print("line", number)
        subprocess.run(["sh", "-c", "echo from a child; printf half"], check=True)
        ctypes.CDLL(None).puts(b"from C")
        os.kill(os.getpid(), how)
"""
TASKS = {"talk": (["until"], None), "talk_and_die": (["how"], None)}
SAID = [
    ("stdout", "printed"),
    ("stderr", "to stderr"),
    ("probe", "logged 1"),
    ("probe.struct", "structured answer=42"),
    ("stdout", "from a child"),
    ("stdout", "raw"),
    ("stdout", "from C"),
    ("stdout", "from a thread"),
    ("stdout", "unfinished"),
]


@pytest.mark.parametrize("isolation", ["shared", "process"])
async def test_everything_is_heard_while_the_step_runs(lab, describe, tmp_path, isolation):
    execution = {} if isolation == "shared" else {"execution": {"isolation": "process"}}
    gate = tmp_path / "gate"
    job = lab.start(describe({"chat": {"talk": str(gate)}}, TASKS, **execution), {"p": SOURCE})
    # The step waits for the gate, which opens only when all of this has been heard.
    for logger, message in SAID:
        await job.until(
            lambda event, wanted=(logger, message): (
                isinstance(event, LogLine) and (event.logger, event.message) == wanted
            )
        )
    await job.until(lambda event: isinstance(event, LogLine) and "warned" in event.message)
    await job.until(lambda event: isinstance(event, LogLine) and event.message == "and aside")
    await job.until(lambda event: isinstance(event, MetricLogged) and event.value == 0.5)
    gate.touch()
    ended = await job.end()
    assert ended.outcome == "finished", ended.failure
    mine = [line for line in job.logs if line.step == "chat"]
    assert [
        (line.logger, line.message) for line in mine if (line.logger, line.message) in SAID
    ] == SAID
    assert mine[-1].message == " business"


@pytest.mark.parametrize("isolation", ["shared", "process"])
async def test_nothing_is_lost_of_what_a_killed_process_has_said(lab, describe, isolation):
    execution = {} if isolation == "shared" else {"execution": {"isolation": "process"}}
    _, job = await lab.run(
        describe({"chat": {"talk_and_die": 9}}, TASKS, **execution), {"p": SOURCE}
    )
    said = [line.message for line in job.logs if line.logger == "stdout"]
    assert said == [*(f"line {n}" for n in range(500)), "from a child", "halffrom C"]
    assert {line.step for line in job.logs if line.logger == "stdout"} == {"chat"}
