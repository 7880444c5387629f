"""`make bench`: runs every tests/bench/bench_*.py, or those named on the command line."""

import importlib
import sys
from pathlib import Path


def main() -> None:
    """Entry point."""
    here = Path(__file__).parent
    names = sys.argv[1:] or sorted(path.stem for path in here.glob("bench_*.py"))
    for name in names:
        importlib.import_module(f"tests.bench.{name}").main()


if __name__ == "__main__":
    main()
