"""Generates dioptra_ray/api from proto/, or checks that what is committed is up to date."""

import argparse
import filecmp
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"


def generate(target: Path) -> None:
    """Write the generated modules and their type stubs below `target`."""
    sources = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    options = [f"--{kind}_out={target}" for kind in ("python",)]
    options += [f"--{kind}_out=quiet:{target}" for kind in ("mypy", "mypy_grpc")]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", *options]
    command += [f"--grpc_python_out={target}"]
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    subprocess.run([*command, *sources], check=True, cwd=PROTO, env={"PATH": path})
    # Services live beside their messages; a file without a service has an empty module.
    for stub in target.rglob("*_pb2_grpc.py"):
        if "class " not in stub.read_text():
            stub.unlink()
            stub.with_suffix(".pyi").unlink(missing_ok=True)
    for package in sorted({p.parent for p in target.rglob("*_pb2.py")}):
        for folder in (package, package.parent):
            (folder / "__init__.py").touch()
    (target / "dioptra_ray" / "api" / "__init__.py").touch()


def differences(fresh: Path, committed: Path) -> list[str]:
    """Paths that are in one tree only or differ."""
    left = {p.relative_to(fresh) for p in fresh.rglob("*.py*") if "__pycache__" not in p.parts}
    right = {
        p.relative_to(committed) for p in committed.rglob("*.py*") if "__pycache__" not in p.parts
    }
    changed = [p for p in left & right if not filecmp.cmp(fresh / p, committed / p, shallow=False)]
    return sorted(map(str, (left ^ right) | set(changed)))


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace what is committed")
    arguments = parser.parse_args()
    committed = ROOT / "dioptra_ray" / "api"
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = Path(folder) / "dioptra_ray" / "api"
        if arguments.write:
            shutil.rmtree(committed, ignore_errors=True)
            shutil.copytree(fresh, committed)
            return 0
        if stale := differences(fresh, committed):
            print("generated code is out of date; run 'make proto':", *stale, sep="\n  ")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
