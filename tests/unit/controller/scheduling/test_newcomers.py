"""Jobs that were just made, as who waits for them finds them."""

import datetime as dt

from dioptra_controller.jobs.events import Progress
from dioptra_controller.jobs.records import JobRecord
from dioptra_controller.jobs.state import JobState
from dioptra_controller.scheduling.newcomers import Newcomers

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def record(job_id: int) -> JobRecord:
    progress = Progress(
        state=JobState.QUEUED,
        attempt=0,
        steps={},
        start_time=None,
        end_time=None,
        failure=None,
        artifacts=(),
    )
    return JobRecord(
        id=job_id,
        experiment="default",
        entrypoint="e",
        entrypoint_snapshot=1,
        queue="default",
        description="",
        parameters={},
        artifact_inputs={},
        swaps={},
        create_time=NOW,
        sweep_id=None,
        trial=None,
        retry_of=None,
        plan_digest="sha256:0",
        timeout_seconds=1.0,
        progress=progress,
    )


def test_a_job_is_known_from_its_creation_to_its_end() -> None:
    newcomers = Newcomers()
    assert newcomers.find(1) is None
    newcomers.add(record(1))
    assert newcomers.find(1) == record(1)
    newcomers.end(1)
    assert newcomers.find(1) is None


def test_the_oldest_are_forgotten() -> None:
    newcomers = Newcomers()
    for number in range(1001):
        newcomers.add(record(number))
    assert newcomers.find(0) is None
    assert newcomers.find(1000) is not None
