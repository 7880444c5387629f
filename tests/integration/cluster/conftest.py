"""One cluster of three hosts for all tests here: a head, a CPU node and a GPU node."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cluster.deployment import Deployment, deployment


@pytest.fixture(scope="session")
def cluster() -> Iterator[Deployment]:
    folder = Path(tempfile.mkdtemp(prefix="dioptra-cluster-", dir="/tmp"))
    try:
        with deployment(folder) as made:
            made.add_head()
            made.add_node("cpu", cpus=2, kind="cpu")
            made.add_node("gpu", cpus=1, gpus=1, kind="gpu")
            made.wait_until_ready(CPU=3, GPU=1)
            yield made
    finally:
        shutil.rmtree(folder)
