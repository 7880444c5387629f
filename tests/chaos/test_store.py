"""A store that stops, is slow, says that it is busy, or loses a connection in an upload."""

import time
from pathlib import Path

from tests.chaos.bed import Bed
from tests.chaos.invariants import check
from tests.chaos.load import submit

LARGE = 24 * 1024 * 1024


def test_a_store_that_is_away_for_a_while(bed: Bed, database_url: str, tmp_path: Path) -> None:
    load = submit(bed.client, bed.chance, bed.ledger, kept=2, trials=0, seconds=0.2)
    with bed.store_link.weather(is_open=False):
        time.sleep(bed.chance.uniform(1.5, 2.5))
    check(bed, database_url, load, tmp_path)


def test_a_store_that_is_slow(bed: Bed, database_url: str, tmp_path: Path) -> None:
    with bed.store_link.weather(delay=0.02, bytes_per_second=500_000):
        load = submit(bed.client, bed.chance, bed.ledger, kept=2, trials=0, seconds=0.2)
        for job in load.jobs:
            job.wait(60)
    check(bed, database_url, load, tmp_path)


def test_a_store_that_answers_with_errors(bed: Bed, database_url: str, tmp_path: Path) -> None:
    refused = bed.store_link.refused
    with bed.store_link.weather(unavailable=0.5):
        load = submit(bed.client, bed.chance, bed.ledger, kept=3, trials=0, seconds=0.2)
        for job in load.jobs:
            job.wait(60)
    assert bed.store_link.refused > refused
    check(bed, database_url, load, tmp_path)


def test_uploads_that_are_cut_half_way(bed: Bed, database_url: str, tmp_path: Path) -> None:
    resets = bed.store_link.resets
    with bed.store_link.weather(cut_after=3 * 1024 * 1024):
        load = submit(
            bed.client, bed.chance, bed.ledger, kept=1, trials=0, seconds=0.2, size=LARGE
        )
        bed.until(lambda: bed.store_link.resets > resets, "an upload is cut")
    check(bed, database_url, load, tmp_path)


def test_a_job_whose_store_stays_away_fails_and_shows_nothing(bed: Bed, tmp_path: Path) -> None:
    with bed.store_link.weather(is_open=False):
        load = submit(bed.client, bed.chance, bed.ledger, quick=0, chains=0, kept=1, trials=0)
        (job,) = load.jobs
        job.cancel().wait(60)
    assert job.status == "cancelled"
    assert not job.refresh().artifacts
