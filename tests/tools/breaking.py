"""Refuses protos that break what was promised: proto/baseline.binpb is the promise.

The baseline is committed, so that the check needs no git history and an intended break is
visible in review: `python -m tests.tools.breaking --accept` writes a new one.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASELINE = ROOT / "proto" / "baseline.binpb"
BUF = Path(sys.executable).parent / "buf"


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accept", action="store_true", help="make the present protos the promise")
    if parser.parse_args().accept:
        command = [BUF, "build", "proto", "--exclude-source-info", "--output", BASELINE]
    else:
        command = [BUF, "breaking", "proto", "--against", BASELINE]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
