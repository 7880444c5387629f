"""Steps that are repeated: after what, after how long, and what stops that."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOURCE = """
    from pathlib import Path
    from dioptra import pyplugs

    class FlakyError(ConnectionError):
        pass

    @pyplugs.register(retries=3, retry_on=["ConnectionError"])
    def fetch(folder, failures):
        tries = Path(folder, "tries")
        count = len(tries.read_text()) if tries.exists() else 0
        tries.write_text("x" * (count + 1))
        if count < failures:
            raise FlakyError("no answer")
        return count

    @pyplugs.register
    def misread():
        raise ValueError("nonsense")
"""
TASKS = {"fetch": (["folder", "failures"], "count"), "misread": ([], None)}


def told(job):
    return [line.message for line in job.logs if line.logger == "dioptra_ray.runner"]


def described(describe, graph, **steps):
    return describe(graph, TASKS, execution={"steps": steps})


async def test_a_step_is_repeated_after_what_it_declares(lab, describe, tmp_path):
    graph = {"a": {"fetch": [str(tmp_path), 2]}}
    said = {"retries": 3, "retry_on": ["ConnectionError"], "retry_delay": "10ms"}
    ended, job = await lab.run(described(describe, graph, a=said), {"p": SOURCE})
    assert ended.outcome == "finished", ended
    assert (tmp_path / "tries").read_text() == "xxx"
    first, second = told(job)
    assert first.startswith("Try 1 of 4 of stage s0 failed: ")
    assert first.endswith("It begins in 0.01 s.")
    assert second.startswith("Try 2 of 4 of stage s0 failed: ")
    assert second.endswith("It begins in 0.02 s.")


@pytest.mark.parametrize("on", ["p.tasks.FlakyError", "FlakyError", "builtins.OSError"])
async def test_classes_are_known_by_either_name_and_by_what_they_inherit_from(
    lab, describe, tmp_path, on
):
    graph = {"a": {"fetch": [str(tmp_path), 1]}}
    said = {"retries": 1, "retry_on": [on]}
    ended, _ = await lab.run(described(describe, graph, a=said), {"p": SOURCE})
    assert ended.outcome == "finished", ended


async def test_another_failure_ends_the_job_at_once(lab, describe, tmp_path):
    graph = {"a": {"fetch": [str(tmp_path), 5]}}
    said = {"retries": 3, "retry_on": ["TimeoutError"]}
    ended, job = await lab.run(described(describe, graph, a=said), {"p": SOURCE})
    assert (ended.outcome, ended.failure.error_type) == ("failed", "FlakyError")
    assert (tmp_path / "tries").read_text() == "x"
    assert told(job) == []


async def test_a_step_is_not_repeated_for_what_another_declares(lab, describe, tmp_path):
    graph = {"a": {"fetch": [str(tmp_path), 0]}, "b": {"misread": []}}
    ended, job = await lab.run(described(describe, graph, a={"retries": 3}), {"p": SOURCE})
    assert len(job.plan.stages) == 1
    assert (ended.failure.step, ended.failure.error_type) == ("b", "ValueError")
    assert (tmp_path / "tries").read_text() == "x"


async def test_a_wait_before_a_repetition_can_be_cancelled(lab, describe, tmp_path):
    graph = {"a": {"fetch": [str(tmp_path), 1]}, "b": {"misread": []}}
    said = {"retries": 1, "retry_delay": "1h"}
    job = lab.start(described(describe, graph, a=said), {"p": SOURCE})
    await job.until(lambda event: "begins in 3600 s" in getattr(event, "message", ""))
    lab.driver.cancel(job.lease)
    ended = await job.end()
    assert ended.outcome == "cancelled"
    assert job.phases == [("a", "running"), ("a", "failed"), ("b", "skipped")]


async def test_a_wait_before_a_repetition_counts_as_the_jobs_time(lab, describe, tmp_path):
    graph = {"a": {"fetch": [str(tmp_path), 1]}}
    said = {"retries": 1, "retry_delay": "1h"}
    description = described(describe, graph, a=said)
    ended, _ = await lab.run(description, {"p": SOURCE}, timeout=2.0)
    assert (ended.outcome, ended.failure.reason) == ("failed", "TIMEOUT")
    assert (tmp_path / "tries").read_text() == "x"
