"""Breaks things again and again, each time by other chances: `python -m tests.chaos [SECONDS]`.

The seed of each round is printed; DIOPTRA_CHAOS_SEED repeats one, also in plain pytest,
which leaves out what is marked `long` unless DIOPTRA_CHAOS is "long".
"""

import os
import subprocess
import sys
import time

HOUR = 3600.0
PLACES = (
    "tests/chaos",
    "tests/integration/cluster/test_losses.py",
    "tests/integration/cluster/test_cut_off.py",
)


def main(seconds: float = HOUR) -> int:
    """Run rounds until the time is over or one has failed; returns its exit code."""
    seed = int(os.environ.get("DIOPTRA_CHAOS_SEED", time.time_ns() % 10**9))
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        print(f"chaos with DIOPTRA_CHAOS_SEED={seed}", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", "--no-skips", *PLACES]
        done = subprocess.run(
            command,
            env={**os.environ, "DIOPTRA_CHAOS": "long", "DIOPTRA_CHAOS_SEED": str(seed)},
            check=False,
        )
        if done.returncode:
            print(f"failed with DIOPTRA_CHAOS_SEED={seed}")
            return done.returncode
        seed += 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:2])))
