"""A database whose disk is full, and one that is restarted."""

import errno
import itertools
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dioptra_ray.client import Client
from dioptra_ray.errors import UnavailableError
from tests.chaos.bed import LEASE_SECONDS, Bed
from tests.chaos.invariants import check
from tests.chaos.load import register, submit
from tests.tools.postgres import running_postgres


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Leave no room on a disk."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017 - what is asked for
    try:
        yield
    finally:
        ballast.unlink()


def create_for_ever(client: Client) -> None:
    for number in itertools.count():  # what pages have room for is still taken
        client.experiments.create(f"of no room {number}", description="x" * 4000)


@pytest.mark.long
def test_a_full_disk(bed: Bed, database_url: str, tmp_path: Path) -> None:
    load = submit(bed.client, bed.chance, bed.ledger, seconds=0.6)
    with full(bed.folder / "state"):
        with bed.impatient() as client, pytest.raises(UnavailableError):
            create_for_ever(client)
        # Longer than a lease: nobody may lose one because nobody could write.
        time.sleep(LEASE_SECONDS + 1)
    check(bed, database_url, load, tmp_path)
    jobs = {str(job.id) for job in load.jobs}
    begun = [line[1].split("-") for line in bed.steps()]
    assert {attempt for job, attempt, *_ in begun if job in jobs} == {"1"}


@pytest.mark.long
def test_a_restarted_postgresql(bed: Bed, tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="dioptra-chaos-pg-", dir="/tmp"))
    with running_postgres() as server:
        server.execute("CREATE DATABASE chaos")
        other = Bed(folder, bed.s3, server.url("chaos"), bed.chance.randrange(10**6))
        try:
            other.start_controller()
            other.start_runner()
            register(other.client)
            load = submit(other.client, other.chance, other.ledger, seconds=0.6)
            for pause in (0.3, LEASE_SECONDS + 1):
                time.sleep(other.chance.uniform(0.1, 0.6))
                server.stop()
                time.sleep(pause)
                server.start()
            check(other, server.url("chaos"), load, tmp_path)
        finally:
            other.close()
            shutil.rmtree(folder, ignore_errors=True)
