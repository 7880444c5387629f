"""Who is told to stop."""

from dioptra_workers.runner import sink
from dioptra_workers.runner.sink import Sink
from dioptra_workers.stage.request import Batch


def batch(job_id, attempt=1):
    return Batch(
        job_id=job_id, attempt=attempt, stage="s0", round=0, node_id="", first_event=0, events=()
    )


async def test_a_stage_that_starts_after_its_job_was_stopped_is_told_to_stop():
    meeting = Sink()
    await meeting.stop((7, 1), "cancelled")
    assert await meeting.push(batch(7)) == "cancelled"
    assert await meeting.push(batch(7)) == "cancelled"
    assert await meeting.push(batch(7, attempt=2)) is None


async def test_only_the_latest_are_remembered(monkeypatch):
    monkeypatch.setattr(sink, "MOST_STOPPED", 2)
    meeting = Sink()
    for job_id in (1, 2, 3):
        await meeting.stop((job_id, 1), "timeout")
    assert [await meeting.push(batch(job_id)) for job_id in (1, 2, 3)] == [
        None,
        "timeout",
        "timeout",
    ]
