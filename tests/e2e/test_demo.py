"""The main job, as `make demo` runs it: on a directory, again, and with artifacts in S3."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.tools.s3_server import s3_server

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples" / "digits" / "demo.py"


def run_demo(*options: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, str(DEMO), *options],
        env={**os.environ, "COLUMNS": "120", **variables},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_results() -> None:
    frame = pd.read_csv(ROOT / "out" / "results.csv")
    assert len(frame) == 20
    assert set(frame["status"]) == {"finished"}
    for attack in ("fgsm", "pgd"):
        accuracy = frame[frame["attack"] == attack].sort_values("eps")["robust_accuracy"]
        assert accuracy.iloc[0] > 0.9
        assert accuracy.iloc[-1] < 0.1
    assert (ROOT / "out" / "robustness.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.timeout(500)
def test_the_demo_works_and_works_again() -> None:
    for _ in range(2):
        output = run_demo()
        assert "Robust accuracy" in output
        assert "model.pt" in output
        check_results()


@pytest.mark.timeout(300)
def test_the_demo_with_artifacts_in_s3(tmp_path: Path) -> None:
    with s3_server(tmp_path) as server:
        output = run_demo("--store-url", "s3://digits/demo", **server.variables())
    assert "s3://digits/demo/" in output
    check_results()
