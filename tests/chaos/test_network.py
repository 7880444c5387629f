"""Messages between controller and runner that come late, twice or not at all."""

import time
from pathlib import Path

from tests.chaos.bed import Bed
from tests.chaos.invariants import check
from tests.chaos.load import submit


def test_messages_that_are_delayed_and_slow(bed: Bed, database_url: str, tmp_path: Path) -> None:
    with bed.link.weather(delay=0.03, bytes_per_second=100_000):
        load = submit(bed.client, bed.chance, bed.ledger)
        for job in load.jobs:
            job.wait(60)
    check(bed, database_url, load, tmp_path)


def test_streams_that_break_again_and_again(bed: Bed, database_url: str, tmp_path: Path) -> None:
    load = submit(bed.client, bed.chance, bed.ledger)
    for _ in range(6):
        time.sleep(bed.chance.uniform(0.05, 0.5))
        bed.link.cut()
    check(bed, database_url, load, tmp_path)
    assert bed.link.resets


def test_answers_that_are_lost_have_everything_said_twice(
    bed: Bed, database_url: str, tmp_path: Path
) -> None:
    # The controller commits, the runner does not hear of it and says it again.
    load = submit(bed.client, bed.chance, bed.ledger, trials=0)
    for _ in range(3):
        time.sleep(bed.chance.uniform(0.0, 0.3))
        with bed.link.weather(drops_answers=True):
            time.sleep(bed.chance.uniform(0.3, 0.8))
    check(bed, database_url, load, tmp_path)


def test_reports_that_are_lost(bed: Bed, database_url: str, tmp_path: Path) -> None:
    load = submit(bed.client, bed.chance, bed.ledger, trials=0)
    for _ in range(2):
        with bed.link.weather(drops_requests=True):
            time.sleep(bed.chance.uniform(0.3, 1.0))
        time.sleep(bed.chance.uniform(0.0, 0.3))
    check(bed, database_url, load, tmp_path)
