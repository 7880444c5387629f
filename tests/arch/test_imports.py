"""Importing the library, or what plugins need of it, stays light."""

import subprocess
import sys

import pytest

HEAVY = ("ray", "torch", "sqlalchemy", "grpc", "minio", "pandas", "numpy")


@pytest.mark.parametrize(
    "statement",
    [
        "import dioptra_ray",
        "from dioptra_ray import pyplugs, ArtifactTaskInterface, current_job",
        "import dioptra_ray.plugins.activation, dioptra_ray.engine",
    ],
)
def test_nothing_heavy_is_loaded(statement: str) -> None:
    program = f"{statement}\nimport sys\nprint(*sorted(sys.modules), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    loaded = set(done.stdout.split())
    assert "dioptra_ray" in loaded
    assert loaded.isdisjoint(HEAVY)
