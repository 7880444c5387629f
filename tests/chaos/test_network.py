"""Messages between controller and runner that come late, twice or not at all."""

import time
from pathlib import Path

import pytest

from tests.chaos.bed import Bed
from tests.chaos.invariants import check
from tests.chaos.load import submit


@pytest.mark.long
def test_messages_that_are_delayed_and_slow(bed: Bed, database_url: str, tmp_path: Path) -> None:
    with bed.link.weather(delay=0.03, bytes_per_second=100_000):
        load = submit(bed.client, bed.chance, bed.ledger)
        for job in load.jobs:
            job.wait(60)
    check(bed, database_url, load, tmp_path)


def test_messages_that_are_lost_and_said_twice(bed: Bed, database_url: str, tmp_path: Path) -> None:
    # Of answers that are lost the runner makes repetitions: the controller has committed.
    load = submit(bed.client, bed.chance, bed.ledger)
    ways = ["drops_answers", "drops_requests", "cut"] * 2
    bed.chance.shuffle(ways)
    for way in ways:
        time.sleep(bed.chance.uniform(0.0, 0.3))
        if way == "cut":
            bed.link.cut()
            continue
        with bed.link.weather(**{way: True}):
            time.sleep(bed.chance.uniform(0.2, 0.6))
    check(bed, database_url, load, tmp_path)
    assert bed.link.resets
