"""What a failed job keeps, and what a retry makes of it, on a real Ray."""

import asyncio
from types import SimpleNamespace

import pytest

from dioptra_ray.store import scratch_folder
from dioptra_ray.store.saved_stages import find_outputs, list_saved
from dioptra_workers.runner import jobs, reuse, saving
from dioptra_workers.stage.events import StepChanged

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLUGIN = """
    import os, time
    from pathlib import Path
    import numpy as np
    from dioptra import pyplugs
    from dioptra_ray import current_job

    class Box:
        def __init__(self):
            self.items = ["made"]

    def count(folder, step):
        with (Path(folder) / step).open("a") as file:
            file.write("x")

    @pyplugs.register
    def make(folder):
        count(folder, "make")
        Path("sub").mkdir()
        Path("sub/made.txt").write_text("by make")
        with open("large", "wb") as file:  # large enough to go through the store
            file.truncate(100_000_000)
            file.write(b"begin")
        return np.arange(100_000.0), Box()

    @pyplugs.register
    def seed(folder):
        count(folder, "seed")
        np.random.seed(7)

    @pyplugs.register
    def change(folder, box):
        count(folder, "change")
        box.items.append("changed")
        return 1

    @pyplugs.register
    def work(folder, number):
        count(folder, "work")
        return number

    @pyplugs.register
    def use(folder, array, box, number):
        count(folder, "use")
        if not (Path(folder) / "mended").exists():
            raise ValueError("not yet")
        assert isinstance(box, Box) and box.items == ["made", "changed"]
        with open("large", "rb") as file:
            assert file.read(5) == b"begin"
            assert file.seek(0, 2) == 100_000_000
        array[0] = 5
        job = current_job()
        job.log_metric("total", float(array.sum()) + number)
        job.log_metric("file", Path("sub/made.txt").read_text() == "by make")
        return 2

    @pyplugs.register
    def wait(folder, number):
        count(folder, "wait")
        (Path(folder) / "waits").touch()
        time.sleep(0 if (Path(folder) / "mended").exists() else 60)
"""
TASKS = {
    "seed": (["folder"], None),
    "change": (["folder", "box"], "number"),
    "work": (["folder", "number"], "number"),
    "use": (["folder", "array", "box", "number"], "number"),
    "wait": (["folder", "number"], None),
}
TWO_CPUS = {"num_cpus": 2}


@pytest.fixture
def trial(lab, describe, tmp_path):
    """A job of two stages, the second of which fails until it is mended."""
    graph = {
        "made": {"make": str(tmp_path)},
        "changed": {"change": [str(tmp_path), "$made.box"]},
        "used": {"use": [str(tmp_path), "$made.array", "$made.box", "$changed"]},
    }
    description = described(describe, graph, {"used": TWO_CPUS})

    def counts():
        return {path.name: len(path.read_text()) for path in tmp_path.iterdir()}

    return SimpleNamespace(
        run=lambda **options: lab.run(description, {"p": PLUGIN}, **options),
        start=lambda **options: lab.start(description, {"p": PLUGIN}, **options),
        counts=counts,
        mend=(tmp_path / "mended").touch,
        store=lab.store,
    )


def described(describe, graph, steps):
    description = describe(graph, TASKS, execution={"steps": steps})
    description["tasks"]["make"] = {
        "plugin": "p.tasks.make",
        "inputs": [{"name": "folder", "type": "any"}],
        "outputs": [{"array": "any"}, {"box": "any"}],
    }
    return description


def reasons(job):
    return {e.step: e.exit_reason for e in job.events if isinstance(e, StepChanged)}


def said(job, text):
    return [line.message for line in job.logs if text in line.message]


async def test_what_has_finished_is_not_run_again(trial):
    failed, first = await trial.run()
    assert (failed.outcome, failed.failure.step) == ("failed", "used")
    (saved,) = failed.saved_stages
    assert (saved.stage, saved.job_id) == ("s0", first.lease[0])
    assert f"dioptra-ray job retry {saved.job_id} --from-failed" in said(first, "is kept")[0]
    trial.mend()
    ended, again = await trial.run(saved_stages=failed.saved_stages)
    assert ended.outcome == "finished", ended
    assert trial.counts() == {"make": 1, "change": 1, "use": 2, "mended": 0}
    assert again.metric("total") == sum(range(100_000)) + 5 + 1
    assert again.metric("file") == 1
    assert ended.saved_stages == ()
    assert not list(trial.store.list_blobs(scratch_folder(*first.lease)))
    assert again.phases == [
        ("made", "finished"),
        ("changed", "finished"),
        ("used", "running"),
        ("used", "finished"),
    ]
    assert reasons(again)["made"] == f"reused from job {first.lease[0]}"
    assert reasons(again)["used"] == ""


async def test_a_retry_that_fails_can_be_retried(trial):
    failed, first = await trial.run()
    second, _ = await trial.run(saved_stages=failed.saved_stages)
    assert second.outcome == "failed"
    assert second.saved_stages == failed.saved_stages
    trial.mend()
    ended, third = await trial.run(saved_stages=second.saved_stages)
    assert ended.outcome == "finished", ended
    assert trial.counts()["make"] == 1
    assert trial.counts()["use"] == 3
    assert reasons(third)["made"] == f"reused from job {first.lease[0]}"


@pytest.mark.parametrize("what", ["all of it", "its values", "a byte"])
async def test_what_is_gone_is_made_again(trial, what):
    failed, _ = await trial.run()
    (saved,) = failed.saved_stages
    blob = find_outputs(trial.store, {"s0": saved.key})["s0"].exports["made"]
    if what == "all of it":
        trial.store.delete_below(saved.key)
    elif what == "its values":
        trial.store.delete_blob(blob.key)
    else:
        content = trial.store.get_blob(blob.key)
        trial.store.put_blob(blob.key, content[:-1] + bytes([content[-1] ^ 1]))
    trial.mend()
    ended, again = await trial.run(saved_stages=failed.saved_stages)
    assert ended.outcome == "finished", ended
    assert (trial.counts()["make"], trial.counts()["use"]) == (2, 2)
    assert len(said(again, "run again" if what == "all of it" else "runs again")) == 1
    assert again.phases.count(("made", "running")) == 1
    assert reasons(again)["made"] == ""


async def test_what_another_plan_has_made_is_not_taken(trial, lab, describe, tmp_path):
    failed, _ = await trial.run()
    graph = {
        "made": {"make": str(tmp_path)},
        "used": {"use": [str(tmp_path), "$made.array", "$made.box", 1]},
    }
    other = described(describe, graph, {"used": TWO_CPUS})
    ended, job = await lab.run(other, {"p": PLUGIN}, saved_stages=failed.saved_stages)
    assert ended.outcome == "failed"
    assert trial.counts()["make"] == 2
    assert said(job, "run again")


async def test_what_is_too_large_is_not_kept_and_that_is_said(trial, lab, monkeypatch):
    monkeypatch.setattr(lab.driver, "save_limit", 1000)
    failed, job = await trial.run()
    assert failed.outcome == "failed"
    assert failed.saved_stages == ()
    (line,) = said(job, "is not kept")
    assert "s0" in line
    assert "0.8 MB" in line


async def test_a_stage_that_nobody_needs_is_not_run_again_either(lab, describe, tmp_path):
    folder = str(tmp_path)
    graph = {
        "alone": {"work": [folder, 1]},
        "made": {"make": folder},
        "changed": {"change": [folder, "$made.box"]},
        "used": {"use": [folder, "$made.array", "$made.box", "$changed"]},
    }
    # There are two CPUs: `used` begins when `alone` has ended.
    steps = {"alone": {"num_cpus": 0.5}, "used": TWO_CPUS}
    description = described(describe, graph, steps)
    failed, first = await lab.run(description, {"p": PLUGIN})
    assert failed.outcome == "failed"
    alone = next(stage.name for stage in first.plan.stages if stage.steps == ("alone",))
    made = next(stage.name for stage in first.plan.stages if "made" in stage.steps)
    assert {one.stage: bool(one.key) for one in failed.saved_stages} == {alone: False, made: True}
    (tmp_path / "mended").touch()
    ended, _ = await lab.run(description, {"p": PLUGIN}, saved_stages=failed.saved_stages)
    assert ended.outcome == "finished", ended
    counts = {path.name: len(path.read_text()) for path in tmp_path.iterdir()}
    assert counts == {"work": 1, "make": 1, "change": 1, "use": 2, "mended": 0}


async def test_a_job_that_took_too_long_keeps_too_and_a_cancelled_one_does_not(
    lab, describe, tmp_path
):
    folder = str(tmp_path)
    graph = {"worked": {"work": [folder, 1]}, "waited": {"wait": [folder, "$worked"]}}
    description = described(describe, graph, {"waited": TWO_CPUS})
    late = lab.start(description, {"p": PLUGIN}, timeout=8.0)
    ended = await late.end()
    assert (ended.outcome, ended.failure.reason) == ("failed", "TIMEOUT")
    assert [one.stage for one in ended.saved_stages] == ["s0"]
    stopped = lab.start(description, {"p": PLUGIN})
    await stopped.until_running("waited")
    before = set(list_saved(lab.store))
    lab.driver.cancel(stopped.lease)
    assert (await stopped.end()).outcome == "cancelled"
    assert (await stopped.end()).saved_stages == ()
    assert set(list_saved(lab.store)) == before
    (tmp_path / "mended").touch()
    ended, _ = await lab.run(description, {"p": PLUGIN}, saved_stages=ended.saved_stages)
    assert ended.outcome == "finished", ended
    assert len((tmp_path / "work").read_text()) == 2


async def test_who_cancels_does_not_wait_for_what_is_stored(trial, lab, monkeypatch):
    begun = asyncio.Event()

    class Slow(saving.Saver):
        async def _keep(self, seconds):
            begun.set()
            return await super()._keep(seconds)

        def _store(self, name):
            import ray  # noqa: PLC0415

            @ray.remote(num_cpus=0)
            def never_ends():
                import time  # noqa: PLC0415

                time.sleep(600)

            del name
            return never_ends.remote()

    monkeypatch.setattr(jobs, "Saver", Slow)
    job = trial.start()
    await asyncio.wait_for(begun.wait(), 60)
    await asyncio.sleep(0)
    lab.driver.cancel(job.lease)
    ended = await job.end()
    assert ended.outcome == "failed"
    assert ended.saved_stages == ()
    assert said(job, "is not kept")


async def test_who_cancels_a_retry_before_it_has_begun_is_heard(trial, lab, monkeypatch):
    failed, _ = await trial.run()
    find = reuse.find

    async def find_and_be_cancelled(order, *arguments):
        await find(order, *arguments)
        lab.driver.cancel(order.lease)

    monkeypatch.setattr(reuse, "find", find_and_be_cancelled)
    ended, again = await trial.run(saved_stages=failed.saved_stages)
    assert ended.outcome == "cancelled"
    assert {phase for _, phase in again.phases} == {"skipped"}
    assert trial.counts()["use"] == 1


async def test_a_store_that_is_broken_does_not_hide_why_the_job_failed(trial, monkeypatch):
    async def explode(*_):
        raise OSError("no route to the store")

    monkeypatch.setattr(saving.Saver, "_keep", explode)
    failed, job = await trial.run()
    assert (failed.failure.step, failed.saved_stages) == ("used", ())
    assert said(job, "no route to the store")
