"""Files that travel between stages, on a real Ray and through a real store."""

import asyncio

import pytest

from dioptra_ray.store import scratch_folder
from dioptra_workers.runner.scratch import ScratchKeeper
from dioptra_workers.stage.events import LogLine

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOURCE = """
    import hashlib, os, time
    from pathlib import Path
    from dioptra import pyplugs
    from dioptra_ray import current_job

    BLOCK = bytes(range(256)) * 4096

    @pyplugs.register
    def write(name, text):
        Path(name).write_text(text)
        return name

    @pyplugs.register
    def write_large(name):
        with open(name, "wb") as file:
            for number in range(70):
                file.write(number.to_bytes(4, "big") + BLOCK)
        return hashlib.file_digest(open(name, "rb"), "sha256").hexdigest()

    @pyplugs.register
    def check(name, digest):
        with open(name, "rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == digest
        os.unlink(name)
        return 1

    @pyplugs.register
    def look(*_):
        current_job().log_metric("files", len([n for n in os.listdir(".") if n.endswith(".dat")]))

    @pyplugs.register
    def read(*_):
        print("read", Path("log.dat").read_text())

    @pyplugs.register
    def fail(marker, *_):
        deadline = time.monotonic() + 60
        while not Path(marker).exists():
            assert time.monotonic() < deadline, "nobody came"
            time.sleep(0.01)
        raise ValueError("as asked for")
"""
TASKS = {
    "write": (["name", "text"], "name"),
    "write_large": (["name"], "digest"),
    "check": (["name", "digest"], "done"),
    "look": (["a", "b"], None),
    "read": (["a", "b"], None),
    "fail": (["marker", "a"], None),
}


def apart(graph):
    """Different wishes keep the steps apart; one node fulfils them all."""
    return {"steps": {name: {"memory": 1_000_000 * n} for n, name in enumerate(graph, start=1)}}


async def scratch_is_empty(lab):
    """Whether nothing is left; what an attempt leaves is removed right after its end."""
    async with asyncio.timeout(30):
        while list(lab.store.list_blobs("scratch")):
            await asyncio.to_thread(lab.store.has_blob, "scratch")  # asking takes its time
    return True


async def test_a_large_file_crosses_through_the_store_and_can_be_deleted(lab, describe):
    graph = {
        "large": {"write_large": "large.dat"},
        "small": {"write": ["small.dat", "x"]},
        "checked": {"check": ["large.dat", "$large"]},
        "seen": {"look": ["$checked", "$small"]},
    }
    job = lab.start(describe(graph, TASKS, execution=apart(graph)), {"p": SOURCE})
    ended = await job.end()
    assert ended.outcome == "finished", ended
    assert len(job.plan.stages) == 4
    assert job.metric("files") == 1  # the large one was deleted before
    assert await scratch_is_empty(lab)


async def test_what_was_stored_goes_when_the_job_fails(lab, describe, tmp_path):
    graph = {
        "large": {"write_large": "large.dat"},
        "failed": {"fail": [str(tmp_path / "go"), "$large"]},
    }
    job = lab.start(describe(graph, TASKS, execution=apart(graph)), {"p": SOURCE})
    await job.until_running("failed")
    (stored,) = lab.store.list_blobs(scratch_folder(*job.lease))
    assert stored.size > 64 << 20
    (tmp_path / "go").touch()
    assert (await job.end()).failure.error_type == "ValueError"
    assert await scratch_is_empty(lab)


async def test_branches_that_write_the_same_file_are_named(lab, describe):
    graph = {
        "left": {"write": ["log.dat", "left"]},
        "right": {"write": ["log.dat", "right"]},
        "end": {"read": ["$left", "$right"]},
    }
    job = lab.start(describe(graph, TASKS, execution=apart(graph)), {"p": SOURCE})
    assert (await job.end()).outcome == "finished"
    (said,) = [e for e in job.events if isinstance(e, LogLine) and e.level == "WARNING"]
    assert said.message.startswith(
        "log.dat was changed by stages that ran side by side: s1 (right)"
    )
    assert "s0 (left), whose version is lost" in said.message
    assert [e.message for e in job.events if isinstance(e, LogLine) and "read" in e.message] == [
        "read right"
    ]


async def test_folders_of_attempts_that_run_are_kept_from_the_sweep(lab):
    keeper = ScratchKeeper(lab.store.url, pause=0.01)
    keeper.begun((77, 1))
    keeper.start()
    folder = scratch_folder(77, 1)

    def touched():
        return [blob.modified for blob in lab.store.list_blobs(folder)]

    async with asyncio.timeout(30):
        while not (first := await asyncio.to_thread(touched)):
            pass
        while await asyncio.to_thread(touched) == first:
            pass
    keeper.ended((77, 1))
    await keeper.close()
    assert await scratch_is_empty(lab)
