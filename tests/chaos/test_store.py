"""A store that stops, is slow, says that it is busy, or loses a connection in an upload."""

import time
from pathlib import Path

import pytest

from tests.chaos.bed import Bed
from tests.chaos.invariants import check
from tests.chaos.load import submit

LARGE = 24 * 1024 * 1024


@pytest.mark.long
def test_a_store_that_is_away_for_a_while(bed: Bed, database_url: str, tmp_path: Path) -> None:
    load = submit(bed.client, bed.chance, bed.ledger, kept=2, trials=0, seconds=0.2)
    with bed.store_link.weather(is_open=False):
        time.sleep(bed.chance.uniform(1.5, 2.5))
    check(bed, database_url, load, tmp_path)


@pytest.mark.long
def test_a_store_that_is_slow_and_often_busy(bed: Bed, database_url: str, tmp_path: Path) -> None:
    refused = bed.store_link.refused
    with bed.store_link.weather(delay=0.01, bytes_per_second=1_000_000, unavailable=0.4):
        load = submit(bed.client, bed.chance, bed.ledger, kept=3, trials=0, seconds=0.2)
        for job in load.jobs:
            job.wait(60)
    assert bed.store_link.refused > refused
    check(bed, database_url, load, tmp_path)


def test_uploads_that_are_cut_half_way(bed: Bed, database_url: str, tmp_path: Path) -> None:
    resets = bed.store_link.resets
    with bed.store_link.weather(cut_after=3 * 1024 * 1024):
        load = submit(bed.client, bed.chance, bed.ledger, kept=1, trials=0, seconds=0.2, size=LARGE)
        bed.until(lambda: bed.store_link.resets > resets, "an upload is cut")
    check(bed, database_url, load, tmp_path)
