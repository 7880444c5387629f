"""An SQLite file has one controller; a PostgreSQL may have many."""

import signal
import subprocess
import sys

import pytest

from dioptra_controller.database.claim import Claim
from dioptra_ray.errors import PreconditionError

HOLD = """
import sys, signal
from dioptra_controller.database.claim import Claim
Claim(sys.argv[1]).take()
print("taken", flush=True)
signal.pause()
"""


def test_only_files_can_be_claimed_once(database_url):
    first, second = Claim(database_url), Claim(database_url)
    first.take()
    first.take()
    if database_url.startswith("sqlite"):
        with pytest.raises(PreconditionError, match="PostgreSQL"):
            second.take()
        first.release()
    second.take()
    second.release()
    first.release()


def test_databases_in_memory_cannot_meet():
    first, second = Claim("sqlite://"), Claim("sqlite://")
    first.take()
    second.take()


def test_a_claim_ends_with_its_process(tmp_path):
    url = f"sqlite:///{tmp_path / 'controller.db'}"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        with pytest.raises(PreconditionError, match=f"process {process.pid}"):
            Claim(url).take()
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    Claim(url).take()
