"""`make bench`: runs every tests/bench/bench_*.py, or those named on the command line.

Each has a process of its own, because Ray reads its settings once a process.
"""

import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Entry point."""
    here = Path(__file__).parent
    names = sys.argv[1:] or sorted(path.stem for path in here.glob("bench_*.py"))
    for name in names:
        subprocess.run([sys.executable, "-m", f"tests.bench.{name}"], check=True)


if __name__ == "__main__":
    main()
