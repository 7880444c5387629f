"""What must be true after whatever has happened."""

import hashlib
from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from dioptra_workers.stage.sweeping import sweep_stages
from tests.chaos.bed import Bed
from tests.chaos.load import Load

END_SECONDS = 90.0
# Agents of a Ray whose driver was killed take their time to notice.
_QUIET_SECONDS = 60.0
_DENSE = (
    "SELECT job_id FROM {} GROUP BY job_id HAVING MIN(sequence) <> 1 OR COUNT(*) <> MAX(sequence)"
)


def check(
    bed: Bed, database_url: str, load: Load, folder: Path, *, runner_died: bool = False
) -> None:
    """Wait until all work is done, and look at everything.

    Args:
        bed: The deployment, mended.
        database_url: Its database.
        load: What was submitted.
        folder: For downloads; must be empty.
        runner_died: Whether a runner died, so that nobody reads what its stages have left;
            later processes sweep it away when it is an hour old.
    """
    _all_finished(bed, load)
    _none_ran_twice(bed, load)
    _events_are_dense(bed, load)
    _tables_are_dense(database_url)
    _artifacts_are_whole(bed, load, folder)
    _nothing_is_left(bed, runner_died=runner_died)
    _it_lives(bed)


def _all_finished(bed: Bed, load: Load) -> None:
    for job in load.jobs:
        job.wait(END_SECONDS)
        assert job.status == "finished", (job.failure, _said(bed, job.id), bed.logs())
    if load.sweep is not None:
        load.sweep.wait(END_SECONDS)
        assert load.sweep.counts["finished"] == load.sweep.size, (load.sweep.counts, bed.logs())


def _none_ran_twice(bed: Bed, load: Load) -> None:
    # A line is of one round of one stage in one attempt.
    for what in ("begun", "done"):
        lines = Counter((place, step) for _, place, step, _ in bed.steps(what))
        assert max(lines.values(), default=1) == 1, lines.most_common(3)
    done = {(place.split("-")[0], step) for _, place, step, _ in bed.steps("done")}
    for job in load.jobs:
        assert {(str(job.id), step) for step in job.steps} <= done
        moves = [event.job.status for event in job.watch() if event.job is not None]
        ends = [status for status in moves if status in {"finished", "failed", "cancelled"}]
        assert ends == ["finished"], moves


def _events_are_dense(bed: Bed, load: Load) -> None:
    for job in load.jobs:
        numbers = [event.sequence for event in bed.client.jobs.watch(job.id)]
        assert numbers == list(range(1, len(numbers) + 1)), numbers


def _tables_are_dense(database_url: str) -> None:
    engine = sa.create_engine(database_url)
    try:
        with engine.connect() as connection:
            for table in ("job_events", "job_logs"):
                gaps = connection.execute(sa.text(_DENSE.format(table))).scalars().all()
                assert not gaps, f"{table} has gaps in jobs {gaps}"
    finally:
        engine.dispose()


def _artifacts_are_whole(bed: Bed, load: Load, folder: Path) -> None:
    for job in load.jobs:
        listed = bed.client.artifacts.list(job=job.id)
        assert len(listed) == len(job.artifacts) == (1 if job.id in load.digests else 0)
        for artifact in listed:
            # Verifies the checksums that the store has noted.
            found = bed.client.artifacts.download(artifact, folder / str(artifact.id))
            assert hashlib.sha256(found.read_bytes()).hexdigest() == load.digests[job.id]


def _nothing_is_left(bed: Bed, *, runner_died: bool) -> None:
    bed.until(lambda: not bed.orphans(), f"no orphans: {bed.orphans()}", _QUIET_SECONDS)
    stages = bed.folder / "scratch" / "stages"

    def left() -> list[str]:
        if runner_died:
            sweep_stages(stages, idle_seconds=0)
        return sorted(path.name for path in stages.iterdir()) if stages.exists() else []

    bed.until(lambda: not left(), f"no directories of stages: {left()}", _QUIET_SECONDS)


def _it_lives(bed: Bed) -> None:
    bed.until(bed.has_runner, "a runner is connected", _QUIET_SECONDS)
    given = {"ledger": str(bed.ledger), "seconds": 0.0}
    job = bed.client.jobs.submit("chaos_quick", given).wait(END_SECONDS)
    assert job.status == "finished", (job.failure, bed.logs())


def _said(bed: Bed, job: int) -> list[str]:
    return [f"{line.logger}: {line.message}" for line in bed.client.jobs.logs(job)][-20:]
