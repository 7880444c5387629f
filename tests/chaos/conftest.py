"""One deployment for all scenarios; each leaves it as whole as it found it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.bed import Bed
from tests.chaos.load import register
from tests.tools.s3_server import s3_server

SEED = int(os.environ.get("DIOPTRA_CHAOS_SEED", "20261122"))


@pytest.fixture(scope="session")
def database_url(chaos_folder: Path) -> str:
    return f"sqlite:///{chaos_folder}/state/controller.db"


@pytest.fixture(scope="session")
def chaos_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="dioptra-chaos-", dir="/tmp"))
    state = folder / "state"
    state.mkdir()
    # A disk of its own, which can be filled.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", state], check=True)
    yield folder
    subprocess.run(["umount", "-l", state], check=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def bed(chaos_folder: Path, database_url: str) -> Iterator[Bed]:
    with s3_server(chaos_folder / "s3") as s3:
        made = Bed(chaos_folder, s3, database_url, SEED)
        try:
            made.start_controller()
            made.start_runner()
            register(made.client)
            yield made
        finally:
            made.close()
